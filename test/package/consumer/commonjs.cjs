// The package is made of ES modules; CommonJS loads it with a dynamic import.
const names = {};
const load = async (name) => {
  names[name] = Object.keys(await import(name)).sort();
};

Promise.all(
  [
    "proofmill",
    "proofmill/client",
    "proofmill/messages/prover",
    "proofmill/messages/job",
    "proofmill/wallet",
    "proofmill/user-client",
    "proofmill/rollup-abi",
  ].map(load),
).then(() => console.log(JSON.stringify(names)));
