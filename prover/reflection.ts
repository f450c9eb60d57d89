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
  new ReflectionService({ described } as never).addToServer(server);
}
