import { load, type Warning } from 'fathom-engine';

const output = document.querySelector('output')!;
const warn = ({ message }: Warning) => console.warn(message);
try {
  const model = await load('/models/beads/', { onWarning: warn });
  for await (const { text } of model.generate('7+5-3*4=')) output.textContent += text;
} catch (error) {
  output.textContent = String(error);
}
output.dataset.done = 'yes';
