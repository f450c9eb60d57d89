/** Forms of the results' files: what a parsed one must look like before it is believed. */

/** A form: a type's name, a list of alternatives, an array's element, or an object's fields. */
export type Form =
  | "string"
  | "number"
  | "boolean"
  | { readonly oneOf: readonly unknown[] }
  | { readonly each: Form }
  | { readonly recordOf: Form }
  | { readonly optional: Form }
  | { readonly fields: Readonly<Record<string, Form>> };

export const NUMBERS: Form = { each: "number" };

export const COMMIT_FORM: Form = { fields: { id: "string", isDirty: "boolean" } };

/** `Machine` of `bench/machine.ts`. */
export const MACHINE_FORM: Form = {
  fields: {
    cpu: "string",
    cores: "number",
    memoryBytes: "number",
    os: "string",
    node: "string",
    v8: "string",
    loadAverage: NUMBERS,
  },
};

/** @throws RangeError that names the place, from `path` on, if the value has another form. */
export function checkForm(value: unknown, form: Form, path: string): void {
  const refuse = (expected: string): void => {
    throw new RangeError(`${path}: got ${JSON.stringify(value)}, expected ${expected}`);
  };
  if (typeof form === "string") {
    const fits = typeof value === form && (form !== "number" || Number.isFinite(value));
    if (!fits) refuse(`a ${form}`);
  } else if ("oneOf" in form) {
    if (!form.oneOf.includes(value)) refuse(`one of ${form.oneOf.join(", ")}`);
  } else if ("optional" in form) {
    if (value !== undefined) checkForm(value, form.optional, path);
  } else if ("each" in form) {
    if (!Array.isArray(value)) refuse("an array");
    for (const [i, element] of (value as unknown[]).entries()) {
      checkForm(element, form.each, `${path}[${i}]`);
    }
  } else {
    if (typeof value !== "object" || value === null || Array.isArray(value)) refuse("an object");
    const record = value as Record<string, unknown>;
    if ("recordOf" in form) {
      for (const key of Object.keys(record))
        checkForm(record[key], form.recordOf, `${path}.${key}`);
      return;
    }
    const unknown = Object.keys(record).find((key) => !(key in form.fields));
    if (unknown !== undefined) refuse(`no field "${unknown}"`);
    for (const key of Object.keys(form.fields)) {
      checkForm(record[key], form.fields[key] as Form, `${path}.${key}`);
    }
  }
}
