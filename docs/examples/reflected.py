"""Calls of a gRPC service without generated code: its messages are learnt by reflection."""
import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory


class Service:
    """service("Method", {...}) calls it with the message that this is in JSON: camelCase, bytes in base64."""

    def __init__(self, channel: grpc.Channel, name: str):
        self.channel, self.name, self.pool = channel, name, descriptor_pool.DescriptorPool()
        self._learn("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo")

    def __call__(self, name: str, request: dict, timeout: float | None = None):
        """Returns the answer, or an iterator over the answers. Raises grpc.RpcError."""
        method = self.pool.FindServiceByName(self.name).methods_by_name[name]
        send, receive = (self._message(each.full_name) for each in (method.input_type, method.output_type))
        # Not every version of protobuf says of a method whether it streams; the API's answers do.
        is_stream = name in ("Prove", "WatchProof")
        kind = self.channel.unary_stream if is_stream else self.channel.unary_unary
        stub = kind(f"/{self.name}/{name}", send.SerializeToString, receive.FromString)
        return stub(json_format.ParseDict(request, send()), timeout=timeout)

    def _message(self, name: str):
        descriptor = self.pool.FindMessageTypeByName(name)
        if hasattr(message_factory, "GetMessageClass"):
            return message_factory.GetMessageClass(descriptor)
        return message_factory.MessageFactory(self.pool).GetPrototype(descriptor)

    def _learn(self, path: str) -> None:
        # As much of reflection.proto as is needed: one field each way, both numbered 4. What the answer
        # has there is, byte by byte, a FileDescriptorSet.
        field = {"number": 4, "label": "LABEL_OPTIONAL"}
        symbol = {"name": "symbol", "type": "TYPE_STRING", **field}
        found = {"name": "found", "typeName": ".google.protobuf.FileDescriptorSet", **field}
        messages = [{"name": "Ask", "field": [symbol]}, {"name": "Answer", "field": [found]}]
        imports = ["google/protobuf/descriptor.proto"]
        file = {"name": "ask.proto", "dependency": imports, "messageType": messages}
        self.pool.AddSerializedFile(descriptor_pb2.DESCRIPTOR.serialized_pb)
        self.pool.Add(json_format.ParseDict(file, descriptor_pb2.FileDescriptorProto()))
        ask, answer = self._message("Ask"), self._message("Answer")
        reflect = self.channel.stream_stream(path, ask.SerializeToString, answer.FromString)
        answers = reflect(iter([ask(symbol=self.name)]), timeout=30, wait_for_ready=True)
        files = {file.name: file for answer in answers for file in answer.found.file}

        def add(name: str) -> None:  # after what it imports
            if file := files.pop(name, None):
                for imported in file.dependency:
                    add(imported)
                self.pool.AddSerializedFile(file.SerializeToString())

        while files:
            add(next(iter(files)))
