import { chmod, mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Fixture, generatedFixture } from "../../bench/fixtures/fixture.ts";

/** A folder for one test file, which removes it. */
export function temporaryFolder(): Promise<string> {
  return mkdtemp(join(tmpdir(), "bench-test-"));
}

/** A dense circuit of 2^5 points. */
export function smallFixture(folder: string): Promise<Fixture> {
  const folders = { benchDir: folder, circuitsDir: folder };
  return generatedFixture("dense", 5, folders, () => {});
}

/** Path of a program that behaves as a native prover, with or without a fault. */
export async function fakePeer(folder: string, fault = ""): Promise<string> {
  const path = join(folder, `peer-${fault.replace(" ", "-")}`);
  const script = join(import.meta.dirname, "fake-peer.ts");
  await writeFile(
    path,
    `#!/bin/sh\nFAKE_FAULT="${fault}" exec "${process.execPath}" "${script}" "$@"\n`,
  );
  await chmod(path, 0o755);
  return path;
}
