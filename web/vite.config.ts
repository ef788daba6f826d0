import { createReadStream, existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { defineConfig, type Plugin } from 'vite';

const FILES = ['config.json', 'model.safetensors', 'tokenizer.json'];
const path = (name: string) => fileURLToPath(new URL(`../models/${name}`, import.meta.url));

/** The models of Sudokus that are there, the smallest board first. */
const SUDOKUS = readdirSync(path(''))
  .filter((folder) => /^sudoku-\d+x\d+$/.test(folder) && existsSync(path(`${folder}/model.safetensors`)))
  .sort();
const SHIPPED = ['beads', ...SUDOKUS]
  .flatMap((folder) => FILES.map((file) => `${folder}/${file}`))
  .filter((file) => existsSync(path(file)));

/** The shipped models lie beside the page: written into the build, passed through while developing. */
function shippedModels(): Plugin {
  return {
    name: 'shipped-models',
    generateBundle() {
      for (const file of SHIPPED) {
        this.emitFile({ type: 'asset', fileName: `models/${file}`, source: readFileSync(path(file)) });
      }
    },
    configureServer(server) {
      server.middlewares.use((request, response, next) => {
        const file = SHIPPED.find((each) => request.url?.split('?')[0]?.endsWith(`/models/${each}`));
        if (file) createReadStream(path(file)).pipe(response);
        else next();
      });
    },
  };
}

export default defineConfig({
  base: './',
  plugins: [shippedModels()],
  define: { SHIPPED_SUDOKUS: JSON.stringify(SUDOKUS) },
  build: { target: 'es2023' },
  worker: { format: 'es' },
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  // The engine finds its worker and its wasm beside its own files; bundling it for development would move them.
  optimizeDeps: { exclude: ['fathom-engine'] },
});
