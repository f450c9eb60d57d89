import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { BARS, type ChannelGas, channelGasTable, measureChannelGas } from "./channel-gas.ts";

const root = join(import.meta.dirname, "../..");
const committed = JSON.parse(
  readFileSync(join(root, "test/snapshots/channel-gas.json"), "utf8"),
) as ChannelGas;

let measured: ChannelGas;

beforeAll(async () => {
  measured = await measureChannelGas();
});

const of = (name: string) => measured[name] ?? Number.NaN;

describe("contracts / channel gas", () => {
  it("is what the snapshot says, to the last unit; `node scripts/channel-gas.ts` writes it anew", () => {
    expect(measured).toEqual(committed);
  });

  it("is what docs/contracts.md prints", () => {
    expect(readFileSync(join(root, "docs/contracts.md"), "utf8")).toContain(
      channelGasTable(committed),
    );
  });

  it("keeps the bars: cooperative exit, and the dispute path without withdrawals", () => {
    expect(of("cooperativeClose")).toBeLessThanOrEqual(BARS.cooperativeExit);
    expect(of("initiateDispute") + of("finalizeDispute")).toBeLessThanOrEqual(BARS.disputePath);
  });
});
