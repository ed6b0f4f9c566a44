# Names of what a policy speaks of. Object names are those of docs/format.md.

locals {
  bucket_arn = "arn:${var.partition}:s3:::${var.bucket_name}"
  root       = var.prefix == "" ? "" : "${var.prefix}/"
  homes      = [for dataset in var.datasets : "${local.root}${dataset}"]

  pointers  = [for home in local.homes : "${local.bucket_arn}/${home}/head.json"]
  pages     = [for home in local.homes : "${local.bucket_arn}/${home}/catalog/*"]
  leases    = [for home in local.homes : "${local.bucket_arn}/${home}/lease.json"]
  names     = [for home in local.homes : "${local.bucket_arn}/${home}/bucket.json"]
  manifests = [for home in local.homes : "${local.bucket_arn}/${home}/snapshots/*"]
  packs     = [for home in local.homes : "${local.bucket_arn}/${home}/packs/*"]
  logs      = [for home in local.homes : "${local.bucket_arn}/${home}/log/*"]
  all       = [for home in local.homes : "${local.bucket_arn}/${home}/*"]

  scratch    = ["${local.bucket_arn}/${local.root}probe/*"]
  encryption = var.asks_for_encryption ? ["${local.bucket_arn}/${local.root}probe/encryption"] : []

  # Written once, then only read and in the end deleted.
  immutable = concat(local.packs, local.manifests, local.pages, local.logs)

  streams = [for arn in var.table_arns : "${arn}/stream/*"]
  keys    = var.kms_key_arn == null ? [] : [var.kms_key_arn]
  by_s3   = { StringEquals = { "kms:ViaService" = "s3.${var.region}.amazonaws.com" } }
}
