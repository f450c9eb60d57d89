// An interface as sorted lines, to compare two of them.

interface Parameter {
  readonly name?: string;
  readonly type: string;
  readonly indexed?: boolean;
  readonly components?: readonly Parameter[];
}

export interface Item {
  readonly type: string;
  readonly name?: string;
  readonly inputs?: readonly Parameter[];
  readonly outputs?: readonly Parameter[];
  readonly stateMutability?: string;
}

const partOf = ({ name, type, indexed, components }: Parameter): string =>
  [components ? `(${components.map(partOf)})` : type, indexed ? "indexed" : "", name].join(" ");

/** One line for each item, with types and names; the name of a struct's type does not matter. */
export const linesOf = (abi: readonly unknown[]): string[] =>
  (abi as readonly Item[])
    .filter(({ type }) => type !== "constructor")
    .map(({ type, name, inputs = [], outputs = [], stateMutability = "" }) =>
      [type, name, `(${inputs.map(partOf)})`, stateMutability, `(${outputs.map(partOf)})`].join(
        " ",
      ),
    )
    .sort();
