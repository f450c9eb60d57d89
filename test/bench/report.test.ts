import { describe, expect, it } from "vitest";
import { lineChart } from "../../bench/report/line-chart.ts";
import { plots } from "../../bench/report/plots.ts";
import { speedBlock } from "../../bench/report/readme.ts";
import { summary } from "../../bench/report/summary.ts";
import { markdownTable, shortNumber, textTable } from "../../bench/report/table.ts";
import { elementsOf } from "./markup.ts";
import { latencies, sampleResult } from "./sample-result.ts";

describe("tables", () => {
  it("align columns for a terminal, words left and numbers right", () => {
    const lines = textTable(
      ["", "ms"],
      [
        ["one", "1"],
        ["three", "1,000"],
      ],
    ).split("\n");
    expect(lines).toEqual(["          ms", "─────  ─────", "one        1", "three  1,000"]);
  });

  it("become Markdown", () => {
    expect(markdownTable(["a", "b"], [["x", "1"]])).toBe("| a | b |\n|---|---:|\n| x | 1 |");
  });

  it("show three digits that mean something", () => {
    expect([1234.5, 100, 12.345, 1.234, 0.1234].map(shortNumber)).toEqual([
      "1,235",
      "100",
      "12.3",
      "1.23",
      "0.123",
    ]);
  });
});

describe("summary", () => {
  it("shows times, ratios, rates, every bar with its state, and what is missing", () => {
    const text = summary(sampleResult({ missing: ["other: not here"], isQuick: true }));
    expect(text).toMatch(/^A quick run/);
    expect(text).toMatch(/rapidsnark +1,800 +2,000 +2\.00 /);
    expect(text).toMatch(/dense-16, snarkjs, 2 processes +0\.100 +6\.00 +300/);
    expect(text).toMatch(/against rapidsnark +≥ 3 +3\.28 +dense-16 +met/);
    expect(text).toMatch(/against rapidsnark +≤ 0\.4 +0\.500 +dense-\d+ +not met/);
    expect(text).toMatch(/in G2, one thread, against ffjavascript +≥ 9 +not measured/);
    expect(text).toContain("other: not here");
    expect(text).toContain("40 proofs, every one verified");
  });

  it("leaves out what a run did not measure", () => {
    const text = summary(sampleResult({ throughput: [], msm: [], inputToProof: [] }));
    expect(text).not.toContain("Every core busy");
    expect(text).not.toContain("From inputs");
  });

  it("breaks the time down where the prover says it", () => {
    const latency = latencies("dense-16", { wasm: 10 }).map((row) => ({
      ...row,
      stageMs: { quotient: 3 },
    }));
    expect(summary(sampleResult({ latency }))).toMatch(/dense-16, proofmill, quotient +3\.00/);
  });
});

describe("speedBlock", () => {
  it("puts provers side by side, with machine, commit and the bars' count", () => {
    const [header, , dense16, ...rest] = speedBlock(sampleResult()).split("\n");
    expect(header).toContain("| ms a proof: proofmill | rapidsnark | snarkjs |");
    expect(header).toContain("| proofs a minute: proofmill | rapidsnark | snarkjs |");
    expect(dense16).toBe(
      "| random witness, 2^16 | 65,533 | 500 | 1,000 | 6,000 | 246 | 75.0 | 12.0 |",
    );
    const end = rest.join("\n");
    expect(end).toContain("2 cores, Node 26.10.0, commit 0123456789, 2026-01-02");
    expect(end).toMatch(/Of 13 bars \d+ are met, \d+ are not and \d+ were not measured/);
  });

  it("says when a run was short or the machine shared, and shows no plot of a short one", () => {
    const [full, quick] = [sampleResult(), sampleResult({ isQuick: true })].map(speedBlock);
    expect(full).toContain("docs/plots/time-by-size.svg");
    expect(full).not.toMatch(/rough|others used/);
    expect(quick).toContain("A short run with rough numbers, the provers");
    expect(quick).not.toContain(".svg");
    const machine = { ...sampleResult().machine, loadAverage: [1.5, 0, 0] };
    expect(speedBlock(sampleResult({ machine }))).toContain("others used too (load 1.5)");
  });

  it("has a dash where a prover was not measured", () => {
    const latency = latencies("dense-16", { wasm: 500 });
    expect(speedBlock(sampleResult({ latency }))).toContain("| 500 | – | – | 246 |");
  });
});

describe("plots", () => {
  it("are well-formed and show every prover", () => {
    const files = plots(sampleResult());
    expect(Object.keys(files)).toEqual([
      "time-by-size.svg",
      "time-of-one-proof.svg",
      "proofs-per-second.svg",
    ]);
    for (const [name, svg] of Object.entries(files)) {
      expect(elementsOf(svg)[0], name).toBe("svg");
      for (const word of ["proofmill", "rapidsnark", "snarkjs"]) expect(svg, name).toContain(word);
      expect(Buffer.byteLength(svg), name).toBeLessThan(20_000);
    }
  });

  it("draw a line a prover and bars in proportion", () => {
    const files = plots(sampleResult());
    const lines = elementsOf(files["time-by-size.svg"] as string);
    // Three provers and the horizontal rules of the decades 10^2 to 10^5.
    expect(lines.filter((name) => name === "polyline").length).toBe(3 + 4);
    const widths = [
      ...(files["time-of-one-proof.svg"] as string).matchAll(/<rect [^>]*width="([\d.]+)"/g),
    ].map(([, width]) => Number(width));
    const [, ours = 0, rapidsnark = 0] = widths;
    expect(rapidsnark / ours).toBeCloseTo(2, 1);
  });

  it("are left out where a run has no numbers for them", () => {
    expect(plots(sampleResult({ throughput: [], latency: [] }))).toEqual({});
  });

  it("keep labels apart that would cover each other", () => {
    const series = ["a", "b", "c"].map((label) => ({
      label,
      colour: "#000000",
      points: [
        { log2: 10, y: 5 },
        { log2: 11, y: 10 },
      ],
    }));
    const svg = lineChart({ title: "t", subtitle: "", xLabel: "x", yLabel: "y", series });
    const heights = [...svg.matchAll(/ y="([\d.]+)"[^>]*>[abc] {2}10\.0</g)].map(([, y]) =>
      Number(y),
    );
    expect(heights.length).toBe(3);
    for (const i of [1, 2]) {
      expect((heights[i] as number) - (heights[i - 1] as number)).toBeGreaterThanOrEqual(14);
    }
  });

  it("would notice markup that is not well-formed", () => {
    for (const xml of ["<a>", "<a></b>", "<a b='1'/>", "<a>&x;</a>", '<a b="1" b="2"/>', "<a/>x"]) {
      expect(() => elementsOf(xml), xml).toThrow(SyntaxError);
    }
  });
});
