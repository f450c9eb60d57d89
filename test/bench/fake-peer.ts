// A native prover's stand-in that speaks both protocols and proves with snarkjs. With one argument it is the server,
// with four the command. FAKE_FAULT makes it misbehave.
import { writeFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import * as snarkjs from "snarkjs";

const [zkey = "", ...files] = process.argv.slice(2);
const fault = process.env.FAKE_FAULT;

async function prove([wtns = "", proofPath = "", publicPath = ""]: string[]): Promise<void> {
  const { groth16 } = snarkjs;
  const made = await groth16.prove(zkey, wtns, undefined, { singleThread: true });
  if (fault === "other signals") made.publicSignals[0] = "7";
  if (fault === "wrong proof") made.proof.pi_a = [...made.proof.pi_c];
  await writeFile(proofPath, JSON.stringify(made.proof));
  await writeFile(publicPath, JSON.stringify(made.publicSignals));
}

if (fault === "refuses") {
  console.error("no such curve");
  process.exit(3);
}
if (files.length === 0) {
  // Its threads as the time that the key took: so a test sees what it was told.
  console.log(fault === "nonsense" ? "hello" : `ready ${process.env.OMP_NUM_THREADS}.5`);
  for await (const line of createInterface({ input: process.stdin })) {
    if (fault === "dies") process.exit(1);
    if (fault === "error line") {
      console.log("error out of memory");
      continue;
    }
    await prove(line.split(" "));
    console.log("12.25");
  }
  process.exit(0);
} else {
  await prove(files);
  process.exit(0);
}
