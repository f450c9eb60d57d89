import { NAME } from "../access/access-list.ts";
import { RIGHTS } from "../access/identity.ts";
import { hashOfToken, newToken } from "../access/token.ts";
import { type Command, EXIT, positionalArguments, UsageError } from "./command.ts";

export const token: Command = {
  name: "token",
  summary: "make an API token, and the entry that lets the service know it",
  usage: `NAME [--rights submit,read] [--json]

Makes a token of 256 random bits for the caller NAME. The first line is the token: give it to the
caller, it is shown only here. The second is an entry for the service's PROVER_ACCESS_FILE, which
has the token's SHA-256 and not the token.

  --rights LIST   what the caller may do: some of ${RIGHTS.join(", ")} (submit,read)`,
  options: { rights: { type: "string", default: "submit,read" } },
  async run(positionals, flags, { stdout }) {
    const [name] = positionalArguments(positionals, ["NAME"]);
    if (!NAME.test(name)) {
      throw new UsageError(`NAME: got "${name}", expected 1 to 63 of a-z 0-9 . _ -`);
    }
    const rights = String(flags.rights).split(",");
    for (const right of rights) {
      if (!(RIGHTS as readonly string[]).includes(right)) {
        throw new UsageError(`--rights: got "${right}", expected some of ${RIGHTS.join(", ")}`);
      }
    }
    const made = newToken();
    const entry = { name, tokenSha256: [hashOfToken(made).toString("hex")], rights };
    stdout.write(
      flags.json
        ? `${JSON.stringify({ token: made, entry })}\n`
        : `${made}\n${JSON.stringify(entry)}\n`,
    );
    return EXIT.ok;
  },
};
