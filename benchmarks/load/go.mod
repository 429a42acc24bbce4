module penstock.dev/benchmarks/load

go 1.24
