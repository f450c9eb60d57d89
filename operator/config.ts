// Everything that an operator can be told, checked in one go. The L1 key comes from the environment only.

import { readFile } from "node:fs/promises";
import { type Address, getAddress, type Hex, isAddress } from "viem";
import { CIRCUITS } from "../circuits/parameters.ts";
import { OperatorError } from "./errors.ts";
import type { ProverAccess } from "./grpc-proof-service.ts";

export interface OperatorConfig {
  /** JSON-RPC of an L1 node. */
  readonly rpcUrl: string;
  /** The ZKRollup contract. */
  readonly rollup: Address;
  /** L1 block in which it was deployed. */
  readonly deploymentBlock: number;
  /** The circuit that its verifier belongs to. */
  readonly circuitId: string;
  /** `host:port` of the prover; left out: blocks are only followed, no key is needed. */
  readonly proverAddress?: string;
  /** With TLS, under authorities of this PEM file, or with `proverTls` those that Node knows. */
  readonly proverCaFile?: string;
  readonly proverTls?: boolean;
  /** PEM files with the certificate that the operator shows the prover, and its key. */
  readonly proverCertFile?: string;
  readonly proverKeyFile?: string;
  /** File with the API token that the prover knows the operator by; read before each call. */
  readonly proverTokenFile?: string;
  /** Account that gets the fees; 0, the default, takes none. */
  readonly feeIndex?: number;
  readonly minFeeGwei?: bigint;
  /** Where the users' API listens; port 0 takes a free one. */
  readonly apiHost?: string;
  readonly apiPort?: number;
  /** L1 blocks on top of a block before its events count. */
  readonly confirmations?: number;
  /** L1 blocks in one request while catching up. */
  readonly rangeBlocks?: number;
  /** L1 blocks that can be undone without reading the chain again. */
  readonly checkpoints?: number;
  readonly pollIntervalMs?: number;
  /** Work waits so long for company before a block that is not full is built. */
  readonly maxBatchWaitMs?: number;
  /** Transfers waiting in all, and of one account. */
  readonly maxPending?: number;
  readonly maxPendingPerAccount?: number;
  readonly maxFeePerGasGwei?: number;
  /** Without a receipt for so long, a commit is sent again with a higher fee. */
  readonly resendAfterMs?: number;
  /** One L1 request. */
  readonly rpcTimeoutMs?: number;
}

/** What says how to reach the prover; all may be left out. */
const PROVER_SETTINGS = [
  "proverAddress",
  "proverCaFile",
  "proverTls",
  "proverCertFile",
  "proverKeyFile",
  "proverTokenFile",
] as const;
type ProverSetting = (typeof PROVER_SETTINGS)[number];

export type CheckedConfig = Readonly<
  Required<Omit<OperatorConfig, ProverSetting>> & {
    [Name in ProverSetting]: OperatorConfig[Name] | undefined;
  }
>;

/** The environment variable with the key that commits blocks: 0x and 64 hex digits. Never logged, never in a file. */
export const KEY_VARIABLE = "OPERATOR_L1_PRIVATE_KEY";

/** Each has its reason beside it. */
const DEFAULTS = {
  feeIndex: 0,
  minFeeGwei: 0n,
  apiHost: "127.0.0.1", // the API has no TLS and no log-in: a proxy in front of it has
  apiPort: 8645,
  confirmations: 2, // most reorgs of Ethereum are one block deep; deeper ones are undone as well
  rangeBlocks: 1_000, // what public nodes allow
  checkpoints: 128, // twice the two epochs until finality
  pollIntervalMs: 2_000, // a sixth of a slot
  maxBatchWaitMs: 10_000, // about one proof
  maxPending: 10_000, // about 15 MB
  maxPendingPerAccount: 64,
  maxFeePerGasGwei: 200,
  resendAfterMs: 60_000, // five slots
  rpcTimeoutMs: 10_000,
} as const;

/** @throws OperatorError CONFIG_INVALID with all problems together. */
export function checkConfig(config: OperatorConfig): CheckedConfig {
  const problems: string[] = [];
  const require = (isGood: boolean, name: keyof OperatorConfig, expected: string): void => {
    // The URL of a node may hold a key.
    const got = name === "rpcUrl" ? "something else" : String(config[name]);
    if (!isGood) problems.push(`${name}: got ${got}, expected ${expected}`);
  };
  const known = new Set([...Object.keys(DEFAULTS), ...REQUIRED, ...PROVER_SETTINGS]);
  for (const name of Object.keys(config)) {
    if (!known.has(name)) problems.push(`${name}: unknown setting`);
  }
  const full = { ...DEFAULTS, ...withoutUndefined(config) };
  const whole = (
    name: keyof typeof DEFAULTS | "deploymentBlock",
    min: number,
    max: number,
  ): void => {
    const value = full[name];
    const isGood =
      typeof value === "number" && Number.isInteger(value) && value >= min && value <= max;
    require(isGood, name, `a whole number from ${min} to ${max}`);
  };
  const url = URL.parse(String(config.rpcUrl));
  require(/^https?:$/.test(url?.protocol ?? ""), "rpcUrl", "an http or https URL");
  require(isAddress(String(config.rollup), { strict: false }), "rollup", "an address");
  require(CIRCUITS.some(
    ({ id }) => id === config.circuitId,
  ), "circuitId", `one of ${CIRCUITS.map(({ id }) => id).join(", ")}`);
  const prover = config.proverAddress;
  require(prover === undefined || /^[^\s/]+:\d{1,5}$/.test(prover), "proverAddress", "host:port");
  for (const name of PROVER_SETTINGS.slice(1)) {
    if (config[name] !== undefined && prover === undefined) {
      problems.push(`${name}: says nothing without proverAddress`);
    }
  }
  require((config.proverCertFile === undefined) ===
    (config.proverKeyFile === undefined), "proverCertFile", "proverKeyFile with it, or neither");
  const hasTls =
    config.proverTls === true ||
    config.proverCaFile !== undefined ||
    config.proverCertFile !== undefined;
  const isHere = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\]):\d+$/.test(prover ?? "");
  require(config.proverTokenFile === undefined ||
    hasTls ||
    isHere, "proverTokenFile", "TLS to a prover on another machine, or others could read the token");
  require(typeof full.minFeeGwei === "bigint" &&
    full.minFeeGwei >= 0n &&
    full.minFeeGwei < 2n ** 32n, "minFeeGwei", "0 to 2^32 - 1");
  require(full.feeIndex !== 0 ||
    full.minFeeGwei === 0n, "feeIndex", "an account, if fees are asked for");
  require(typeof full.apiHost === "string" && full.apiHost !== "", "apiHost", "a host name");
  whole("deploymentBlock", 1, Number.MAX_SAFE_INTEGER);
  whole("feeIndex", 0, 2 ** 32 - 1);
  whole("apiPort", 0, 65_535);
  whole("confirmations", 0, 1_000);
  whole("rangeBlocks", 1, 100_000);
  whole("checkpoints", 1, 10_000);
  whole("pollIntervalMs", 10, 600_000);
  whole("maxBatchWaitMs", 0, 3_600_000);
  whole("maxPending", 1, 1_000_000);
  whole("maxPendingPerAccount", 1, 10_000);
  whole("maxFeePerGasGwei", 1, 1_000_000);
  whole("resendAfterMs", 1_000, 3_600_000);
  whole("rpcTimeoutMs", 100, 600_000);
  if (problems.length > 0) {
    throw new OperatorError("CONFIG_INVALID", `configuration refused:\n  ${problems.join("\n  ")}`);
  }
  return Object.freeze({
    ...full,
    rollup: getAddress(config.rollup),
    ...(Object.fromEntries(PROVER_SETTINGS.map((name) => [name, config[name]])) as Pick<
      CheckedConfig,
      ProverSetting
    >),
  });
}

/** How to reach the prover of `proverAddress`. */
export function proverAccess(config: CheckedConfig): ProverAccess {
  const { proverTls, proverCaFile, proverCertFile, proverKeyFile, proverTokenFile } = config;
  const hasTls = proverTls === true || proverCaFile !== undefined || proverCertFile !== undefined;
  return {
    ...(hasTls && {
      tls: {
        ...(proverCaFile !== undefined && { caFile: proverCaFile }),
        ...(proverCertFile !== undefined && { certFile: proverCertFile }),
        ...(proverKeyFile !== undefined && { keyFile: proverKeyFile }),
      },
    }),
    ...(proverTokenFile !== undefined && {
      token: async () => (await readFile(proverTokenFile, "utf8")).trim(),
    }),
  };
}

/**
 * The key that signs commits.
 *
 * @throws OperatorError CONFIG_INVALID  without quoting it.
 */
export function readKey(environment: Readonly<Record<string, string | undefined>>): Hex {
  const key = environment[KEY_VARIABLE];
  if (key !== undefined && /^0x[0-9a-fA-F]{64}$/.test(key)) return key as Hex;
  throw new OperatorError(
    "CONFIG_INVALID",
    `${KEY_VARIABLE}: got ${key === undefined ? "nothing" : `${key.length} characters`}, ` +
      "expected 0x and 64 hex digits, in the environment.",
  );
}

const REQUIRED = ["rpcUrl", "rollup", "deploymentBlock", "circuitId"];

function withoutUndefined(config: OperatorConfig): OperatorConfig {
  const entries = Object.entries(config).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as unknown as OperatorConfig;
}
