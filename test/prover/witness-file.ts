import { SCALAR_FIELD, toBytesBE } from "../../worker/field.ts";

/** A .wtns file as circom writes it. */
export function wtns(values: readonly bigint[], prime = SCALAR_FIELD): Uint8Array {
  const le = (value: bigint) => Buffer.from(toBytesBE(value)).reverse();
  const u32 = (value: number) => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value);
    return bytes;
  };
  const section = (id: number, body: Buffer) =>
    Buffer.concat([u32(id), u32(body.length), u32(0), body]);
  const header = section(1, Buffer.concat([u32(32), le(prime), u32(values.length)]));
  const body = section(2, Buffer.concat(values.map(le)));
  return Buffer.concat([Buffer.from("wtns"), u32(2), u32(2), header, body]);
}
