"""Keeps texts of a class of its own as plain letters."""

from metaflow.datastore.artifacts.serializer import ArtifactSerializer, SerializationFormat, SerializationMetadata, SerializedBlob


class Spelled(str):
    pass


class SpelledSerializer(ArtifactSerializer):
    TYPE = "spelled"
    PRIORITY = 10

    @classmethod
    def can_serialize(cls, obj):
        return type(obj) is Spelled

    @classmethod
    def can_deserialize(cls, metadata):
        return metadata.encoding == "spelled"

    @classmethod
    def serialize(cls, obj, format=SerializationFormat.STORAGE):
        data = "-".join(obj).encode()
        return [SerializedBlob(data, is_reference=False)], SerializationMetadata(str(type(obj)), len(data), "spelled", {})

    @classmethod
    def deserialize(cls, data, metadata=None, format=SerializationFormat.STORAGE):
        return Spelled(bytes(data[0]).decode().replace("-", ""))
