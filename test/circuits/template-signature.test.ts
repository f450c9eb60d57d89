import { Base8 } from "@zk-kit/baby-jubjub";
import { beforeAll, describe, expect, it } from "vitest";
import { publicKeyOf, secretScalar, signMessage } from "../../circuits/eddsa.ts";
import { poseidon } from "../../circuits/poseidon.ts";
import { mod, SCALAR_FIELD } from "../../worker/field.ts";
import { IDENTITY, type Point, plus, SUBGROUP_ORDER, TORSION, times } from "./curve-points.ts";
import { element, TemplateMain } from "./template-main.ts";
import { eddsaVectors } from "./vectors.ts";

const BASE = Base8 as Point;
const ORDER = SUBGROUP_ORDER;
const SEED = 7n;
const MESSAGE = element("message");

interface Inputs {
  readonly [name: string]: bigint | bigint[];
  readonly enabled: bigint;
  readonly key: bigint[];
  readonly s: bigint;
  readonly r8: bigint[];
  readonly message: bigint;
}

function signed(message = MESSAGE): Inputs {
  const { ax, ay } = publicKeyOf(secretScalar(SEED));
  const { s, r8x, r8y } = signMessage(SEED, message);
  return { enabled: 1n, key: [ax, ay], s, r8: [r8x, r8y], message };
}

/**
 * A signature by a secret scalar, for a key and an R8 to which points of small order were added.
 *
 * @param sign  -1n takes -S: the two sides of the equation are then opposite points, up to R8's part.
 */
function signedWithTorsion(keyPart: Point, r8Part: Point, sign = 1n): Inputs {
  const secret = element("secret") % ORDER;
  const nonce = element("nonce") % ORDER;
  const key = plus(times(secret, BASE), keyPart);
  const r8 = plus(times(nonce, BASE), r8Part);
  const h = poseidon([...r8, ...key, MESSAGE]);
  return {
    enabled: 1n,
    key,
    s: mod(sign * (nonce + 8n * h * secret), ORDER),
    r8,
    message: MESSAGE,
  };
}

describe("Signature", () => {
  let main: TemplateMain;
  beforeAll(async () => {
    const inputs = ["enabled", "key", "s", "r8", "message"];
    main = await TemplateMain.of("signature", "Signature()", inputs);
  });
  const accepts = (inputs: Inputs) => expect(main.failing(main.witness(inputs))).toEqual([]);
  const refuses = (inputs: Inputs) => {
    expect(() => main.witness(inputs)).toThrow();
    expect(main.failing(main.force(inputs))).not.toEqual([]);
  };

  it("accepts what the twin signs", () => {
    for (const message of [0n, 1n, SCALAR_FIELD - 1n, MESSAGE]) accepts(signed(message));
  });

  it("accepts circomlibjs's signatures", () => {
    for (const vector of eddsaVectors().signatures) {
      const { message, ax, ay, s, r8x, r8y } = vector;
      const key = [BigInt(ax), BigInt(ay)];
      accepts({
        enabled: 1n,
        key,
        s: BigInt(s),
        r8: [BigInt(r8x), BigInt(r8y)],
        message: BigInt(message),
      });
    }
  });

  it("accepts a key with a part of small order, which 8 A does not have", () => {
    for (let k = 0n; k < 8n; k++) accepts(signedWithTorsion(times(k, TORSION), IDENTITY));
  });

  it("refuses a changed S, R8, key or message", () => {
    const good = signed();
    refuses({ ...good, s: good.s + 1n });
    refuses({ ...good, s: 0n });
    refuses({ ...good, message: MESSAGE + 1n });
    refuses({ ...good, r8: plus(good.r8 as Point, BASE) });
    refuses({ ...good, r8: [SCALAR_FIELD - (good.r8[0] as bigint), good.r8[1] as bigint] });
    refuses({ ...good, key: times(5n, BASE) });
    refuses({ ...good, key: [SCALAR_FIELD - (good.key[0] as bigint), good.key[1] as bigint] });
  });

  it("refuses S + order, the same equation with another number", () => {
    for (const k of [1n, 2n, 6n]) refuses({ ...signed(), s: signed().s + k * ORDER });
  });

  it("refuses an R8 with a part of small order", () => {
    for (let k = 1n; k < 8n; k++) refuses(signedWithTorsion(IDENTITY, times(k, TORSION)));
  });

  it("refuses two sides that agree in one coordinate", () => {
    // -P = (-x, y), and -P + (0, -1) = (x, -y)
    refuses(signedWithTorsion(IDENTITY, IDENTITY, -1n));
    refuses(signedWithTorsion(IDENTITY, times(4n, TORSION), -1n));
  });

  it("refuses a key of small order, for which (0, identity) would sign everything", () => {
    for (let k = 0n; k < 8n; k++) {
      refuses({ enabled: 1n, key: times(k, TORSION), s: 0n, r8: IDENTITY, message: MESSAGE });
    }
  });

  describe("where it is not enabled", () => {
    const unused: Inputs = { enabled: 0n, key: BASE, s: 0n, r8: BASE, message: MESSAGE };

    it("accepts any signature of the right form", () => {
      accepts(unused);
      accepts({ ...unused, s: ORDER - 1n, r8: IDENTITY });
      accepts({ ...unused, r8: TORSION });
    });

    it("refuses S, R8 and keys that are out of range or off the curve", () => {
      refuses({ ...unused, s: ORDER });
      refuses({ ...unused, r8: [BASE[0], BASE[1] + 1n] });
      refuses({ ...unused, key: [BASE[0], BASE[1] + 1n] });
      refuses({ ...unused, key: IDENTITY });
    });
  });

  it("leaves no wire loose", () => {
    expect(main.looseWires(main.witness(signed()))).toEqual([]);
  });
});
