import type { Reporter, TestModule, TestRunEndReason } from 'vitest/node'

/**
 * Prints `N passed, N failed` (and `, N skipped`) alone as the last line, with the totals of the run. A module that cannot be
 * loaded and a hook that fails count as failures, so that a broken suite never reads as green.
 */
export default class ClosingLineReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[], reason: TestRunEndReason): void {
    const count = { passed: 0, failed: errors.length, skipped: 0 }
    for (const module of modules) {
      if (module.errors().length > 0) count.failed += 1
      for (const suite of module.children.allSuites()) if (suite.errors().length > 0) count.failed += 1
      for (const test of module.children.allTests()) {
        const { state } = test.result()
        if (state === 'passed') count.passed += 1
        else if (state === 'failed') count.failed += 1
        else count.skipped += 1
      }
    }
    if (reason === 'interrupted') count.failed += 1
    const line = `${count.passed} passed, ${count.failed} failed${count.skipped > 0 ? `, ${count.skipped} skipped` : ''}\n`
    // The other reporters still have lines to print; ours is the last thing before the exit.
    process.once('exit', () => process.stdout.write(line))
  }
}
