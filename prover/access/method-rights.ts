/** Which right each method needs: any of those listed. */
import type { DescService } from "@bufbuild/protobuf";
import { AdminService } from "../../gen/prover/v1/admin_pb.ts";
import { ProverService } from "../../gen/prover/v1/prover_pb.ts";
import type { Right } from "./identity.ts";

/** Total: a method without a line is a type error. Empty: every caller that is known. */
type RightsOf<S extends DescService> = { readonly [K in keyof S["method"]]: readonly Right[] };

const PROVER: RightsOf<typeof ProverService> = {
  submitProof: ["submit"],
  batchSubmitProofs: ["submit"],
  prove: ["submit"],
  getProof: ["read", "read-all", "admin"],
  watchProof: ["read", "read-all", "admin"],
  listProofs: ["read", "read-all", "admin"],
  cancelProof: ["submit", "admin"],
  verifyProof: [],
  listCircuits: [],
  getCircuit: [],
  getServerInfo: [],
};

const ADMIN: RightsOf<typeof AdminService> = {
  drain: ["admin"],
  listWorkers: ["admin"],
  retryProof: ["admin"],
  purgeProofs: ["admin"],
  backupStore: ["admin"],
};

const BY_PATH = new Map<string, readonly Right[]>();
for (const [service, rights] of [
  [ProverService, PROVER],
  [AdminService, ADMIN],
] as const) {
  for (const { name, localName } of service.methods) {
    const needed = (rights as Readonly<Record<string, readonly Right[]>>)[localName];
    BY_PATH.set(`/${service.typeName}/${name}`, needed as readonly Right[]);
  }
}

/** Supervisors that ask whether the process is well have no identity, and learn nothing else. */
const HEALTH = "/grpc.health.v1.Health/";
/** What it shows is public. */
const REFLECTION = "/grpc.reflection.";

/** @returns undefined: nobody is asked who it is. A method of nobody's is the administrators'. */
export function rightsOf(path: string): readonly Right[] | undefined {
  if (path.startsWith(HEALTH)) return undefined;
  return BY_PATH.get(path) ?? (path.startsWith(REFLECTION) ? [] : ["admin"]);
}

/** A name of a service, of a message or of a file: longer ones are nobody's. */
const NAME_REQUEST_MAX_BYTES = 4 * 1024;

/** How large a request of this method may be, if less than others: strangers ask for health. */
export function requestMaxBytesOf(path: string): number | undefined {
  return path.startsWith(HEALTH) || path.startsWith(REFLECTION)
    ? NAME_REQUEST_MAX_BYTES
    : undefined;
}

/** Who may see the pages of the admin port, which show everybody's jobs and change nothing. */
export const PAGE_RIGHTS: readonly Right[] = ["read-all", "admin"];
