import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";

/**
 * Fields that one request may have. Two bytes on the wire can become a message of some hundred bytes
 * in memory, so that the limit on a request's bytes does not bound what it costs. 64 batches of the
 * largest circuit have about 170,000.
 */
export const REQUEST_FIELDS_MAX = 2 ** 18;

/** A message with more fields than `REQUEST_FIELDS_MAX`. */
export class FieldBudgetError extends Error {
  override readonly name = "FieldBudgetError";
}

/**
 * Counts a message's fields without building it: elements of lists one by one, fields of messages
 * within it, fields that the schema does not know.
 *
 * @throws FieldBudgetError; Error if the bytes are no message, or hold a group, which proto3 has not.
 */
export function checkFieldBudget(schema: DescMessage, bytes: Uint8Array): void {
  spend(schema, new BinaryReader(bytes), bytes.length, REQUEST_FIELDS_MAX);
}

/** @returns what is left of `budget`. */
function spend(schema: DescMessage, reader: BinaryReader, end: number, budget: number): number {
  let left = budget;
  while (reader.pos < end) {
    if (--left < 0) throw new FieldBudgetError(`more than ${REQUEST_FIELDS_MAX} fields`);
    const [number, wireType] = reader.tag();
    if (wireType === WireType.StartGroup) throw new Error("groups are not of proto3");
    const field = fieldOf(schema, number);
    if (field === undefined || wireType !== WireType.LengthDelimited) {
      reader.skip(wireType, number);
    } else if (field.message !== undefined) {
      const length = reader.uint32();
      left = spend(field.message, reader, reader.pos + length, left);
    } else {
      const start = reader.pos;
      reader.skip(wireType, number);
      // An element of a packed list has at least one byte.
      if (isPackable(field)) left -= reader.pos - start;
    }
  }
  return left;
}

function isPackable(field: DescField): boolean {
  if (field.fieldKind !== "list") return false;
  if (field.listKind === "enum") return true;
  return field.scalar !== ScalarType.STRING && field.scalar !== ScalarType.BYTES;
}

const fieldsBySchema = new WeakMap<DescMessage, ReadonlyMap<number, DescField>>();

function fieldOf(schema: DescMessage, number: number): DescField | undefined {
  let fields = fieldsBySchema.get(schema);
  if (fields === undefined) {
    fields = new Map(schema.fields.map((field) => [field.number, field]));
    fieldsBySchema.set(schema, fields);
  }
  return fields.get(number);
}
