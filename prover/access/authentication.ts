/** Asks every call who it is, before anything of its request is read. */
import type { IncomingMessage } from "node:http";
import { TLSSocket } from "node:tls";
import * as grpc from "@grpc/grpc-js";
import { ProverError } from "../errors.ts";
import { toServiceError } from "../status.ts";
import type { Access } from "./access.ts";
import { type Identity, requireRight } from "./identity.ts";
import { PAGE_RIGHTS, requestMaxBytesOf, rightsOf } from "./method-rights.ts";
import type { Quotas } from "./quotas.ts";

export interface AuthenticationDependencies {
  readonly access: Access;
  readonly quotas: Quotas;
  /** Whether the port has TLS. */
  readonly isEncrypted: boolean;
  /** A call was refused. */
  readonly onRefusal: (path: string, error: ProverError) => void;
}

/** Grpc-js hands the same metadata to the handler. */
const identities = new WeakMap<grpc.Metadata, Identity>();

/** Who calls, in a handler. Undefined for a call that was not asked: such a one must not be served. */
export function identityOf(metadata: grpc.Metadata): Identity | undefined {
  return identities.get(metadata);
}

/**
 * Refuses calls of unknown callers, of those without the method's right, and of those with too many. When
 * the list of callers changes, open calls are asked again.
 */
export function authentication(dependencies: AuthenticationDependencies): grpc.ServerInterceptor {
  const { access, quotas, isEncrypted, onRefusal } = dependencies;
  const open = new Set<() => void>();
  access.onChange(() => {
    for (const askAgain of open) askAgain();
  });
  return ({ path }, call) => {
    const bytesMax = requestMaxBytesOf(path);
    if (bytesMax !== undefined) limitRequest(call, bytesMax);
    const rights = rightsOf(path);
    if (rights === undefined) return new grpc.ServerInterceptingCall(call);
    let leave = () => {};
    return new grpc.ServerInterceptingCall(call, {
      start(next) {
        next({
          onReceiveMetadata(metadata, proceed) {
            const credentials = {
              certificate: call.getAuthContext().sslPeerCertificate,
              authorization: only(metadata.get("authorization")),
              isPrivate: isEncrypted || isLoopbackPeer(call.getPeer()),
            };
            const refuse = (caught: unknown) => {
              const error = ProverError.from(caught);
              onRefusal(path, error);
              const { code, details, metadata: trailer } = toServiceError(error);
              call.sendStatus({ code, details, metadata: trailer });
            };
            const ask = (): Identity => {
              const identity = access.identify(credentials);
              requireRight(identity, rights);
              return identity;
            };
            try {
              const identity = ask();
              const close = quotas.openCall(identity);
              const askAgain = () => {
                try {
                  if (ask().name !== identity.name) throw otherCaller();
                } catch (caught) {
                  refuse(caught);
                }
              };
              open.add(askAgain);
              leave = () => {
                open.delete(askAgain);
                close();
              };
              identities.set(metadata, identity);
            } catch (caught) {
              refuse(caught);
              return;
            }
            proceed(metadata);
          },
          // Comes at the end of every call, however it ended.
          onCancel: () => leave(),
        });
      },
    });
  };
}

/** Grpc-js knows one limit for all methods; the call's own copy of it is private, and a test watches it. */
function limitRequest(call: grpc.ServerInterceptingCallInterface, bytesMax: number): void {
  const receiving = call as unknown as {
    maxReceiveMessageSize: number;
    readonly decoder: { maxReadMessageLength: number };
  };
  receiving.maxReceiveMessageSize = bytesMax;
  receiving.decoder.maxReadMessageLength = bytesMax;
}

function otherCaller(): ProverError {
  return new ProverError("UNAUTHENTICATED", "caller: has another name since then; call again");
}

/**
 * Who asks for a page, if it may see one.
 *
 * @throws ProverError UNAUTHENTICATED, PERMISSION_DENIED
 */
export function authorizePage(access: Access, { socket, headers }: IncomingMessage): Identity {
  const isEncrypted = socket instanceof TLSSocket;
  const peer = isEncrypted && socket.authorized ? socket.getPeerCertificate() : undefined;
  const identity = access.identify({
    certificate: peer?.raw === undefined ? undefined : peer,
    authorization: headers.authorization,
    isPrivate: isEncrypted || isLoopbackPeer(`${socket.remoteAddress}:0`),
  });
  requireRight(identity, PAGE_RIGHTS);
  return identity;
}

/** Two are as good as a wrong one. */
function only(values: readonly grpc.MetadataValue[]): string | undefined {
  return values.length > 1 ? "" : values[0]?.toString();
}

/** @param peer  address:port */
function isLoopbackPeer(peer: string): boolean {
  return /^(\[?::1\]?|(\[?::ffff:)?127\.\d+\.\d+\.\d+\]?):\d+$/i.test(peer);
}
