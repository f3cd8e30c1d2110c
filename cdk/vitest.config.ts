import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Load the library once, since that takes longer than most files take to run.
    isolate: false,
    fileParallelism: false,
    // A whole stack takes seconds to synthesise.
    testTimeout: 60_000,
  },
});
