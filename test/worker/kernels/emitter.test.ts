import { describe, expect, it } from "vitest";
import { callOf, ModuleWriter } from "../../../worker/kernels/emitter.ts";
import {
  f64,
  i32,
  i64,
  i64x2,
  type Statement,
  select,
} from "../../../worker/kernels/instructions.ts";
import { moduleInstance } from "./module-instance.ts";

describe("worker / kernels / emitter", () => {
  it("tells modules apart by their label, and asks for the memory it is told", () => {
    const bytes = (label: string, maximumPages = 4) => {
      const module = new ModuleWriter();
      module.define("nothing", [], [], () => undefined);
      return module.bytes({ minimumPages: 2, maximumPages, label });
    };
    expect(bytes("a")).toEqual(bytes("a"));
    expect(bytes("a")).not.toEqual(bytes("b"));
    for (const [initial, maximum, shared, fits] of [
      [2, 4, true, true],
      [3, 3, true, true],
      [1, 4, true, false],
      [2, 5, true, false],
      [2, 4, false, false],
    ] as const) {
      const memory = new WebAssembly.Memory({ initial, maximum, shared });
      const open = () =>
        new WebAssembly.Instance(new WebAssembly.Module(bytes("a")), { env: { memory } });
      if (fits) expect(open).not.toThrow();
      else expect(open).toThrow();
    }
    expect(() => new WebAssembly.Module(bytes("", 65536))).not.toThrow();
  });

  it("loops, branches, selects and calls", () => {
    const kernels = moduleInstance((module) => {
      const both = module.define("both", ["i32", "i64"], ["i64", "i32"], (f, a, b) => {
        f.result(i64.add(b, i64.const(1n)), i32.add(a, i32.const(2)));
      });
      const one = module.define("one", ["i32"], ["i32"], (f, a) => f.result(i32.mul(a, a)));
      const write = module.define("write", ["i32"], [], (f, a) => {
        f.do(i32.store(i32.const(8), a));
      });
      module.define("atLeastOnce", ["i32"], ["i32"], (f, n) => {
        const rounds = f.local("i32");
        f.loop(
          () => {
            f.advance(rounds, 1);
            f.advance(n, -1);
          },
          () => n,
        );
        f.result(rounds);
      });
      module.define("while", ["i32"], ["i32"], (f, n) => {
        const rounds = f.local("i32");
        f.while(
          () => n,
          () => {
            f.advance(rounds, 1);
            f.advance(n, -1);
          },
        );
        f.result(rounds);
      });
      module.define("branch", ["i32"], ["i32"], (f, x) => {
        const y = f.local("i32");
        f.if(
          i32.ltS(x, i32.const(0)),
          () => f.set(y, i32.const(-1)),
          () => f.if(x, () => f.set(y, i32.const(1))),
        );
        f.result(select(i32.eq(x, i32.const(7)), i32.const(77), y));
      });
      module.define("calls", ["i32"], ["i64"], (f, a) => {
        const [low, high] = [f.local("i32"), f.local("i64")];
        f.callInto([high, low], both, a, i64.const(10n));
        f.call(write, callOf("i32", one, low));
        f.result(i64.add(high, i64.extendU(i32.load(i32.const(8)))));
      });
      module.define("never", [], [], (f) => f.unreachable());
      module.define("arranged", [], ["i32"], (f) => {
        const x = f.local("i32");
        const [first, second] = f.capture(() => {
          f.set(x, i32.const(1));
          f.set(x, i32.const(2));
        });
        f.do(second as Statement, first as Statement);
        f.result(x);
      });
      module.define("outer", [], ["i32"], (f) => {
        // A function may be written while another one is.
        const inner = module.define("inner", [], ["i32"], (g) => g.result(i32.const(42)));
        f.result(callOf("i32", inner));
      });
    });
    expect(kernels.call("atLeastOnce", 3)).toBe(3);
    expect(kernels.call("atLeastOnce", 1)).toBe(1);
    expect(kernels.call("while", 0)).toBe(0);
    expect(kernels.call("while", 5)).toBe(5);
    expect([-5, 0, 5, 7].map((x) => kernels.call("branch", x))).toEqual([-1, 0, 1, 77]);
    expect(kernels.call("calls", 3)).toBe(11n + 25n);
    expect(() => kernels.call("never")).toThrow("unreachable");
    expect(kernels.call("arranged")).toBe(1);
    expect(kernels.call("outer")).toBe(42);
  });

  it("gives statements back to where they were captured when writing them fails", () => {
    const kernels = moduleInstance((module) => {
      module.define("f", [], ["i32"], (f) => {
        const x = f.local("i32");
        expect(() =>
          f.capture(() => {
            f.set(x, i32.const(1));
            throw new Error("stopped");
          }),
        ).toThrow("stopped");
        f.result(x);
      });
    });
    expect(kernels.call("f")).toBe(0);
  });

  it("refuses operands of another type when TypeScript checks it", () => {
    const module = new ModuleWriter();
    module.define("f", ["i32", "v128"], [], (f, address, vector) => {
      // @ts-expect-error an i32 where a v128 belongs
      i64x2.add(vector, address);
      // @ts-expect-error an address of 64 bits
      i32.load(i64.const(0n));
      // @ts-expect-error a vector as a condition
      f.if(vector, () => undefined);
      // @ts-expect-error a local of another type
      f.set(address, i64.const(0n));
      // @ts-expect-error two types to choose from
      select(address, i32.const(0), f64.const(0));
      // @ts-expect-error a lane that is not there
      i64x2.extract(vector, 2);
      f.while(
        // @ts-expect-error a count that is not an i32
        () => vector,
        () => undefined,
      );
      // @ts-expect-error a bigint in a constant of 32 bits
      expect(() => i32.const(1n)).toThrow();
    });
  });
});
