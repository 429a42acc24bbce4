// Runs the cases of one client library, prints a line for each, and exits with 1 if one failed.
export async function run(cases) {
  let failed = 0
  for (const [name, test] of Object.entries(cases)) {
    try {
      await test()
      console.log(`PASS ${name}`)
    } catch (error) {
      failed += 1
      console.log(`FAIL ${name}`)
      console.error(error)
    }
  }
  const all = Object.keys(cases).length
  console.log(`${all - failed} of ${all} cases passed`)
  process.exit(failed ? 1 : 0)
}
