"""The object store: MinIO in the cluster (`minio`), or Amazon S3 with its buckets and identities (`s3`).

Both provide `store(consumer)`: a `connections.ObjectStore`, the lake as one consumer may use it.
"""
