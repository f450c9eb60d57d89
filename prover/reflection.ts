import { type DescFile, type DescService, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import type * as grpc from "@grpc/grpc-js";
import { ReflectionService } from "@grpc/reflection";

/**
 * Serves gRPC reflection, v1 and v1alpha, for `services` and whatever `extraFiles` declare: other
 * services of the server, and types that occur only inside `Any`, such as error details.
 */
export function addReflection(
  server: grpc.Server,
  services: readonly DescService[],
  extraFiles: readonly DescFile[],
): void {
  const files = new Map<string, Buffer>();
  const visit = (file: DescFile): void => {
    const name = `${file.name}.proto`;
    if (files.has(name)) return;
    files.set(name, Buffer.from(toBinary(FileDescriptorProtoSchema, file.proto)));
    file.dependencies.forEach(visit);
  };
  for (const service of services) visit(service.file);
  extraFiles.forEach(visit);

  // @grpc/reflection takes what @grpc/proto-loader makes, but reads nothing of it except these bytes.
  const fileDescriptorProtos = [...files.values()];
  const described = { format: "protobuf-es", type: {}, fileDescriptorProtos };
  const addService: grpc.Server["addService"] = (definition, { ServerReflectionInfo }) => {
    const serve = ServerReflectionInfo as grpc.handleBidiStreamingCall<unknown, unknown>;
    server.addService(definition, {
      ServerReflectionInfo: (stream: Parameters<typeof serve>[0]) => serve(paced(stream)),
    });
  };
  new ReflectionService({ described } as never).addToServer({ addService } as grpc.Server);
}

/** Reads on when answers are read: the package writes whatever it is asked, and would keep it all. */
function paced(
  stream: grpc.ServerDuplexStream<unknown, unknown>,
): grpc.ServerDuplexStream<unknown, unknown> {
  const write = stream.write.bind(stream) as (message: unknown) => boolean;
  stream.write = (message: unknown) => {
    const hasRoom = write(message);
    if (!hasRoom && !stream.isPaused()) {
      stream.pause();
      stream.once("drain", () => stream.resume());
    }
    return hasRoom;
  };
  return stream;
}
