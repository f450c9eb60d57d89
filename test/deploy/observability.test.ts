// Dashboard and alerts against the metrics of a real server, and docs against all of them.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { dashboard, dashboardText } from "../../deploy/grafana/dashboard.ts";
import { type Family, parseExposition } from "../prover/observe/exposition.ts";
import { hasPromtool, promtool, promtoolMissing } from "../prover/observe/promtool.ts";
import { productRequest, startTestServer } from "../prover/test-server.ts";

const root = join(import.meta.dirname, "../..");
const read = (path: string) => readFileSync(join(root, path), "utf8");
const alerts = read("deploy/prometheus/alerts.yaml");
const page = read("docs/observability.md");

/** What Prometheus itself knows of a target. */
const OF_PROMETHEUS = ["up"];

let families: Map<string, Family>;
beforeAll(async () => {
  await using under = await startTestServer({ PROVER_CIRCUITS: "product" });
  await under.client.prove(productRequest());
  const response = await fetch(`http://127.0.0.1:${under.server.adminPort}/metrics`);
  families = parseExposition(await response.text());
});

/** Names of metrics in an expression of PromQL, with what is compared of their labels. */
function usedIn(expr: string): { name: string; labels: string[] }[] {
  const found = [...expr.matchAll(/\b(proofmill_[a-z_]+|up)\b(?:\{([^}]*)\})?/g)];
  return found.map(([, name, selector = ""]) => ({
    name: name as string,
    labels: [...selector.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)].map(([, label]) => label as string),
  }));
}

function checkExpressions(exprs: readonly string[]): void {
  for (const expr of exprs) {
    const used = usedIn(expr);
    expect(used.length, expr).toBeGreaterThan(0);
    for (const { name, labels } of used) {
      if (OF_PROMETHEUS.includes(name)) continue;
      const family = families.get(name) ?? families.get(name.replace(/_(bucket|sum|count)$/, ""));
      expect(family, `${name} in ${expr}`).toBeDefined();
      const known = new Set(family?.samples.flatMap((sample) => Object.keys(sample.labels)));
      for (const label of labels.filter((each) => !["job", "instance"].includes(each))) {
        // A family that has no series yet cannot tell its labels.
        if (known.size > 0) expect([...known], `${label} in ${expr}`).toContain(label);
      }
    }
  }
}

const names = [...alerts.matchAll(/- alert: (\w+)/g)].map(([, name]) => name as string);

describe("deploy / alerts", () => {
  it("use metrics and labels that the service has", () => {
    const exprs = [...alerts.matchAll(/expr: (?:\|\n((?: {10}.*\n)+)|(.+))/g)];
    expect(exprs).toHaveLength(names.length);
    checkExpressions(exprs.map(([, block, line]) => (block ?? line) as string));
  });

  it("say how urgent they are, and lead to a chapter that says what to do", () => {
    expect(new Set(names).size).toBe(names.length);
    expect(alerts.match(/severity: (page|ticket)$/gm)).toHaveLength(names.length);
    for (const name of names) {
      expect(alerts).toContain(`runbook: docs/observability.md#${name.toLowerCase()}\n`);
      expect(page).toContain(`\n### ${name}\n`);
    }
    const chapters = [...page.matchAll(/^### (Proofmill\w+)$/gm)].map(([, name]) => name);
    expect(chapters.sort()).toEqual([...names].sort());
  });

  it.skipIf(!hasPromtool)(
    `are rules for Prometheus, and fire when they should${hasPromtool ? "" : ` (${promtoolMissing})`}`,
    async () => {
      const rules = join(root, "deploy/prometheus/alerts.yaml");
      expect(await promtool(["check", "rules", rules])).toContain(`${names.length} rules found`);
      const cases = join(root, "test/deploy/alert-cases.yaml");
      expect(await promtool(["test", "rules", cases])).toContain("SUCCESS");
    },
  );
});

describe("deploy / dashboard", () => {
  it("is what its source makes, byte for byte", () => {
    expect(read("deploy/grafana/proofmill.json")).toBe(dashboardText());
  });

  it("shows metrics that the service has, each panel with a title and an explanation", () => {
    const { panels } = dashboard();
    checkExpressions(panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)));
    const titles = panels.map(({ title }) => title);
    expect(new Set(titles).size).toBe(titles.length);
    for (const { title, description } of panels) {
      expect(description.length, title).toBeGreaterThan(10);
    }
  });

  it("has panels that fill rows of 24 and do not overlap", () => {
    const { panels } = dashboard();
    const widths = new Map<number, number>();
    for (const { gridPos } of panels) {
      expect(gridPos.x).toBe(widths.get(gridPos.y) ?? 0);
      widths.set(gridPos.y, gridPos.x + gridPos.w);
    }
    expect([...widths.values()].every((width) => width === 24)).toBe(true);
  });
});

describe("docs / observability", () => {
  it("lists every metric with its help text, and no other", () => {
    const listed = [...page.matchAll(/^\| `(proofmill_\w+)` \|.*\| (.+) \|$/gm)];
    expect(Object.fromEntries(listed.map(([, name, help]) => [name, help]))).toEqual(
      Object.fromEntries([...families.values()].map(({ name, help }) => [name, help])),
    );
  });
});
