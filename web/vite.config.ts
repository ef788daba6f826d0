import { createReadStream, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { defineConfig, type Plugin } from 'vite';

const FILES = ['config.json', 'model.safetensors', 'tokenizer.json'];
const path = (name: string) => fileURLToPath(new URL(`../models/beads/${name}`, import.meta.url));

/** The shipped model lies beside the page: written into the build, passed through while developing. */
function shippedModel(): Plugin {
  return {
    name: 'shipped-model',
    generateBundle() {
      for (const name of FILES) {
        this.emitFile({ type: 'asset', fileName: `models/beads/${name}`, source: readFileSync(path(name)) });
      }
    },
    configureServer(server) {
      server.middlewares.use((request, response, next) => {
        const name = FILES.find((file) => request.url?.split('?')[0]?.endsWith(`/models/beads/${file}`));
        if (name) createReadStream(path(name)).pipe(response);
        else next();
      });
    },
  };
}

export default defineConfig({
  base: './',
  plugins: [shippedModel()],
  build: { target: 'es2023' },
  worker: { format: 'es' },
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  // The engine finds its worker and its wasm beside its own files; bundling it for development would move them.
  optimizeDeps: { exclude: ['fathom-engine'] },
});
