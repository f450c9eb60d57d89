"""Calls a gRPC server for tests with grpcio, which is gRPC's C core.

The messages are learnt by reflection. Reads the connection and then calls from stdin, one JSON object
a line, and answers each with a line. Calls run at the same time.
"""
import base64
import json
import sys
import threading

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

connection = json.loads(sys.stdin.readline())
target = f"localhost:{connection['port']}"
options = [("grpc.max_receive_message_length", 16 << 20), ("grpc.max_send_message_length", 64 << 20)]
if "keepaliveMs" in connection:
    options += [("grpc.keepalive_time_ms", connection["keepaliveMs"]), ("grpc.http2.max_pings_without_data", 0)]
if "tls" in connection:
    pem = {name: open(path, "rb").read() for name, path in connection["tls"].items()}
    secrets = grpc.ssl_channel_credentials(pem["ca"], pem.get("key"), pem.get("cert"))
    channel = grpc.secure_channel(target, secrets, options)
else:
    channel = grpc.insecure_channel(target, options)

# As much of reflection.proto as is needed. FileDescriptorResponse has the same bytes as FileDescriptorSet.
pool = descriptor_pool.DescriptorPool()
pool.AddSerializedFile(descriptor_pb2.DESCRIPTOR.serialized_pb)
optional = descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL
reflection = descriptor_pb2.FileDescriptorProto(name="r", dependency=["google/protobuf/descriptor.proto"])
request = reflection.message_type.add(name="Request")
request.field.add(name="file_containing_symbol", number=4, type=9, label=optional)
response = reflection.message_type.add(name="Response")
response.field.add(name="files", number=4, type=11, label=optional, type_name=".google.protobuf.FileDescriptorSet")
pool.Add(reflection)


def message_class(name):
    descriptor = pool.FindMessageTypeByName(name)
    if hasattr(message_factory, "GetMessageClass"):
        return message_factory.GetMessageClass(descriptor)
    return message_factory.MessageFactory(pool).GetPrototype(descriptor)


def learn(service):
    version = connection.get("reflection", "v1")
    reflect = channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=message_class("Request").SerializeToString,
        response_deserializer=message_class("Response").FromString,
    )
    questions = iter([message_class("Request")(file_containing_symbol=service)])
    files = {file.name: file for answer in reflect(questions, timeout=20) for file in answer.files.file}

    def add(name):  # what it imports comes first
        file = files.pop(name, None)
        if file is not None:
            for dependency in file.dependency:
                add(dependency)
            pool.AddSerializedFile(file.SerializeToString())

    for name in list(files):
        add(name)


def call(order):
    service, name = order["method"].split("/")
    with learning:
        try:
            method = pool.FindServiceByName(service).methods_by_name[name]
        except KeyError:
            learn(service)
            method = pool.FindServiceByName(service).methods_by_name[name]
        coding = {
            "request_serializer": message_class(method.input_type.full_name).SerializeToString,
            "response_deserializer": message_class(method.output_type.full_name).FromString,
        }
        message = json_format.ParseDict(order["request"], message_class(method.input_type.full_name)())
    is_stream = name in ("Prove", "WatchProof", "Watch")
    stub = (channel.unary_stream if is_stream else channel.unary_unary)(f"/{order['method']}", **coding)
    timeout = order["timeoutMs"] / 1000 if "timeoutMs" in order else None
    compression = grpc.Compression.Gzip if order.get("gzip") else None
    reply = stub(message, timeout=timeout, compression=compression)
    if not is_stream:
        yield reply
        return
    for count, each in enumerate(reply, 1):
        yield each
        if count == order.get("cancelAfter"):
            reply.cancel()
            return


def answer(order):
    result = {"id": order["id"], "messages": []}
    try:
        for message in call(order):
            result["messages"].append(json_format.MessageToDict(message))
    except grpc.RpcError as error:
        details = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin", b"")
        encoded = base64.b64encode(details).decode()
        result["error"] = {"code": error.code().value[0], "message": error.details(), "details": encoded}
    except Exception as error:
        result["fault"] = repr(error)
    with writing:
        print(json.dumps(result), flush=True)


learning, writing = threading.Lock(), threading.Lock()
for line in sys.stdin:
    threading.Thread(target=answer, args=[json.loads(line)], daemon=True).start()
