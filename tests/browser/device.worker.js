/**
 * The package's worker with a GPU that misbehaves. A test serves it in place of `worker.js`, in a folder whose name says
 * what is wrong, as `/wrong,real/`:
 *
 * - `real`: the software adapter claims to be a GPU.
 * - `wrong`: one kernel computes wrongly.
 * - `small`: the adapter allows small buffers only.
 *
 * In any folder, the channel `device` takes the word of when the device is to be lost: `now`, or behind a message to the
 * page, as `token 2`, `step 1`, `segment 3`, `upload` or `warning device-lost`.
 */
const faults = new URL(import.meta.url).pathname.split('/')[1].split(',');

// What comes before the real worker listens.
const early = [];
self.onmessage = (event) => early.push(event);

let newest;
const { requestDevice } = GPUAdapter.prototype;
GPUAdapter.prototype.requestDevice = async function (...rest) {
  newest = await requestDevice.apply(this, rest);
  return newest;
};

const pending = [];
const channel = new BroadcastChannel('device');
channel.onmessage = ({ data }) => {
  if (data === 'now') newest.destroy();
  else pending.push(data);
  channel.postMessage('done');
};
const post = self.postMessage.bind(self);
self.postMessage = (reply) => {
  post(reply);
  if (!pending.includes(wordFor(reply))) return;
  pending.splice(pending.indexOf(wordFor(reply)), 1);
  newest.destroy();
};

function wordFor({ token, step, segment, warning, progress }) {
  if (token) return `token ${token.place}`;
  if (step) return `step ${step.step}`;
  if (segment) return `segment ${segment.segment}`;
  if (warning) return `warning ${warning.code}`;
  return progress?.phase;
}

if (faults.includes('real')) {
  Object.defineProperty(GPUAdapterInfo.prototype, 'isFallbackAdapter', { get: () => false });
}
if (faults.includes('small')) {
  for (const name of ['maxBufferSize', 'maxStorageBufferBindingSize']) {
    Object.defineProperty(GPUSupportedLimits.prototype, name, { get: () => 100_000 });
  }
}
if (faults.includes('wrong')) {
  const { createShaderModule } = GPUDevice.prototype;
  GPUDevice.prototype.createShaderModule = function (descriptor) {
    const code = descriptor.code.replaceAll('1.0 / sqrt(', '1.01 / sqrt(');
    return createShaderModule.call(this, { ...descriptor, code });
  };
}

await import('./worker-real.js');
for (const event of early) self.onmessage(event);
