import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // The library takes longer to load than most files to run: it is loaded once.
    isolate: false,
    fileParallelism: false,
    // A whole stack takes seconds to synthesise.
    testTimeout: 60_000,
  },
});
