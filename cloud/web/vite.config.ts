import { resolve } from 'node:path';
import { defineConfig } from 'vite';

// Two pages from one source: the dispatcher's console and the patrol phone.
export default defineConfig({
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    target: 'es2022',
    modulePreload: { polyfill: false },
    rollupOptions: {
      input: { index: resolve(import.meta.dirname, 'index.html'), m: resolve(import.meta.dirname, 'm.html') },
    },
  },
  server: { proxy: { '/api': 'http://127.0.0.1:8080' } },
});
