import { createHash } from "node:crypto";
import { ELEMENT_BYTES } from "../../worker/field.ts";
import { parseR1cs } from "../../worker/r1cs.ts";
import { verificationKeyFromJson } from "../../worker/verification-key.ts";
import { encodeWtns, parseWtns } from "../../worker/wtns.ts";
import { COEFFICIENT_BYTES, parseZkey } from "../../worker/zkey.ts";
import { type Command, EXIT, positionalArguments, UsageError } from "./command.ts";
import { readWholeFile } from "./output.ts";

/** What is said of a file: names and plain values, in the order in which they are printed. */
type Findings = Record<string, string | number | boolean>;

export const inspect: Command = {
  name: "inspect",
  summary: "say what a .zkey, .r1cs, .wtns or verification key is, and check all of it",
  usage: `FILE [--json]

Reads the whole file and checks it: sections, counts, ranges, points on their curves. Values of a
witness are never shown.`,
  options: {},
  async run(positionals, flags, { stdout }) {
    const [path] = positionalArguments(positionals, ["FILE"]);
    const bytes = await readWholeFile(path);
    const findings: Findings = {
      file: path,
      bytes: bytes.length,
      sha256: createHash("sha256").update(bytes).digest("hex"),
      ...describe(bytes, path),
    };
    if (flags.json) {
      stdout.write(`${JSON.stringify(findings)}\n`);
    } else {
      const width = Math.max(...Object.keys(findings).map((name) => name.length));
      for (const [name, value] of Object.entries(findings)) {
        stdout.write(`${name.padEnd(width)}  ${value}\n`);
      }
    }
    return EXIT.ok;
  },
};

function describe(bytes: Buffer, path: string): Findings {
  const magic = bytes.subarray(0, 4).toString("latin1");
  if (magic === "zkey") return describeZkey(bytes);
  if (magic === "r1cs") return describeR1cs(bytes);
  if (magic === "wtns") return describeWtns(bytes);
  if (/^\s*\{/.test(magic)) return describeVerificationKey(bytes);
  throw new UsageError(`${path} is no .zkey, .r1cs, .wtns or verification_key.json`);
}

function describeZkey(bytes: Buffer): Findings {
  const key = parseZkey(bytes);
  return {
    kind: "proving key, Groth16, BN254",
    variables: key.nVars,
    publicSignals: key.nPublic,
    domain: `2^${Math.log2(key.domainSize)} = ${key.domainSize}`,
    coefficients: key.coefficients.length / COEFFICIENT_BYTES,
    developmentKey: key.isDevKey,
  };
}

function describeWtns(bytes: Buffer): Findings {
  // A file without its values is all header, so the rest of this one must be values.
  const headerBytes = encodeWtns(new Uint8Array(0)).length;
  const count = Math.max(0, Math.floor((bytes.length - headerBytes) / ELEMENT_BYTES));
  parseWtns(bytes, count);
  return { kind: "witness, BN254", values: count };
}

function describeR1cs(bytes: Buffer): Findings {
  const circuit = parseR1cs(bytes);
  const entries = circuit.a.wire.length + circuit.b.wire.length + circuit.c.wire.length;
  return {
    kind: "constraints, BN254",
    constraints: circuit.nConstraints,
    wires: circuit.nWires,
    publicOutputs: circuit.nOutputs,
    publicInputs: circuit.nPublicInputs,
    privateInputs: circuit.nPrivateInputs,
    entries,
  };
}

function describeVerificationKey(bytes: Buffer): Findings {
  let json: unknown;
  try {
    json = JSON.parse(bytes.toString("utf8"));
  } catch (error) {
    throw new UsageError("the file begins like JSON but is not", { cause: error });
  }
  const key = verificationKeyFromJson(json);
  return { kind: "verification key, Groth16, BN254", publicSignals: key.ic.length - 1 };
}
