/** Which name of a caller's certificate says who it is. */
import type { PeerCertificate } from "node:tls";

const LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?";
const FORMS: Readonly<Record<string, RegExp>> = {
  // As SPIFFE ids are: a trust domain and a path.
  spiffe: /^spiffe:\/\/[a-z0-9._-]{1,255}(?:\/[A-Za-z0-9._-]+)+$/,
  dns: new RegExp(`^dns:(?:${LABEL}\\.)*${LABEL}$`),
  cn: /^cn:[A-Za-z0-9][A-Za-z0-9 ._@-]{0,63}$/,
};

/** Whether `text` is a name as `certificateNames` gives them. */
export function isCertificateName(text: string): boolean {
  return text.length <= 2_048 && Object.values(FORMS).some((form) => form.test(text));
}

/**
 * The names by which a certificate can be known, none if it is ambiguous:
 * - with URIs: `spiffe://...`, if that is the only one;
 * - else with DNS names: `dns:` and each of them, in lower case;
 * - else `cn:` and the common name, if there is one only.
 *
 * So nobody who may choose a common name can pass for a DNS name, or for a SPIFFE id. Names of unusual
 * form are left out: Node quotes them, and nobody should have to know how.
 */
export function certificateNames({ subject, subjectaltname }: PeerCertificate): string[] {
  const alternatives = subjectaltname === undefined ? [] : splitNames(subjectaltname);
  if (alternatives === undefined) return [];
  const of = (kind: string) =>
    alternatives.filter((name) => name.startsWith(kind)).map((name) => name.slice(kind.length));
  const uris = of("URI:");
  if (uris.length > 0) return usable(uris.length === 1 ? uris : []);
  const hosts = of("DNS:");
  if (hosts.length > 0) return usable(hosts.map((host) => `dns:${host.toLowerCase()}`));
  if (alternatives.length > 0) return [];
  // Several common names come as an array.
  const { CN: commonName } = (subject ?? {}) as { CN?: unknown };
  return typeof commonName === "string" ? usable([`cn:${commonName}`]) : [];
}

function usable(names: readonly string[]): string[] {
  return names.filter(isCertificateName);
}

/** Undefined if a name is quoted. */
function splitNames(text: string): string[] | undefined {
  if (text.includes('"')) return undefined;
  return text === "" ? [] : text.split(", ");
}
