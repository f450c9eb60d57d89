import { describe, expect, it } from "vitest";
import { type Options, parseOptions, recordedCommand, UsageError } from "../../bench/options.ts";

const parse = (...words: string[]): Options => parseOptions(words) as Options;

describe("parseOptions", () => {
  it("measures everything from 2^12 to 2^18 when nothing is said", () => {
    const options = parse();
    expect(options.sizes).toEqual([12, 13, 14, 15, 16, 17, 18]);
    expect(options.kinds).toEqual(["dense", "bits", "batch"]);
    expect(options.measures).toEqual(["latency", "inputs", "throughput", "msm"]);
    expect(options).toMatchObject({ isQuick: false, peers: [], outDir: undefined });
    expect(options.contenders).toBeUndefined();
  });

  it("takes sizes as ranges and lists, each once and ascending", () => {
    expect(parse("--sizes", "16,12-14,13").sizes).toEqual([12, 13, 14, 16]);
    expect(parse("--sizes", "8", "--large").sizes).toEqual([8, 19, 20]);
  });

  it("takes less of everything in a quick run", () => {
    const [quick, full] = [parse("--quick"), parse()];
    expect(quick.isQuick).toBe(true);
    expect(quick.sizes.length).toBeLessThan(full.sizes.length);
    for (const key of ["rounds", "windowMs", "windows", "budgetMs", "minSamples"] as const) {
      expect(quick[key], key).toBeLessThan(full[key]);
    }
    expect(parse("--quick", "--rounds", "9").rounds).toBe(9);
  });

  it("takes native provers by path, in both protocols, the server's first", () => {
    const { peers } = parse("--peer", "a=/x/a", "--peer", "b=/x/b", "--peer-server", "b=/y/b=1");
    expect(peers).toEqual([
      { name: "b", path: "/y/b=1", protocol: "server" },
      { name: "a", path: "/x/a", protocol: "command" },
    ]);
  });

  it("asks for help", () => {
    expect(parseOptions(["--help"])).toBeUndefined();
  });

  it.each([
    [["--sizes", "3"], '--sizes: got "3"'],
    [["--sizes", "12-"], '--sizes: got "12-"'],
    [["--sizes", "14-12"], '--sizes: got "14-12"'],
    [["--sizes", "99"], '--sizes: got "99"'],
    [["--kinds", "dense,thin"], '--kinds: got "thin", expected some of dense,bits,batch'],
    [["--measure", ""], '--measure: got ""'],
    [["--rounds", "0"], '--rounds: got "0", expected a whole number from 1'],
    [["--rounds", "1.5"], '--rounds: got "1.5"'],
    [["--window=-1"], '--window: got "-1"'],
    [["--window", ""], '--window: got ""'],
    [["--peer", "rapidsnark"], '--peer: got "rapidsnark", expected NAME=PATH'],
    [["--peer-server", "=x"], '--peer-server: got "=x"'],
    [["--fast"], "--fast"],
    [["word"], "word"],
  ])("refuses %j", (words, message) => {
    expect(() => parse(...words)).toThrow(UsageError);
    expect(() => parse(...words)).toThrow(message);
  });
});

describe("recordedCommand", () => {
  it("keeps the flags and leaves out where things lie", () => {
    const words = ["--peer", "a=/x/a", "--peer-server=b=/y", "--sizes", "8", "--out", "/z"];
    expect(recordedCommand(words)).toBe(
      "npm run bench -- --peer a=PATH --peer-server=b=PATH --sizes 8 --out DIR",
    );
    expect(recordedCommand(["--quick", "--out=/z"])).toBe("npm run bench -- --quick --out=DIR");
  });
});
