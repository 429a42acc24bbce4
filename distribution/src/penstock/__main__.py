from penstock_runtime.command import main

if __name__ == "__main__":
    main()
