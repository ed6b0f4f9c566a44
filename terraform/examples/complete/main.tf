# Everything for one table: bucket, roles for a cluster, the way through the VPC, and alarms.

provider "aws" {
  region = var.region

  default_tags {
    tags = { service = "snowmelt" }
  }
}

module "table" {
  source = "../../modules/table-stream"

  table_name = var.table_name
  region     = var.region
}

module "bucket" {
  source = "../../modules/snapshot-bucket"

  bucket_name           = var.bucket_name
  prefix                = "snapshots"
  datasets              = [module.table.dataset]
  region                = var.region
  deleted_versions_days = 30
  force_destroy         = var.force_destroy
}

module "roles" {
  source = "../../modules/iam-roles"

  bucket_name = module.bucket.bucket_name
  prefix      = "snapshots"
  datasets    = [module.table.dataset]
  table_arns  = [module.table.table_arn]
  kms_key_arn = module.bucket.kms_key_arn
  region      = var.region

  roles = {
    writer = {
      policies              = ["writer", "stream_reader"]
      irsa_provider_arn     = var.oidc_provider_arn
      irsa_service_accounts = ["snowmelt:snowmelt-central"]
    }
    # Starts from snapshots, then follows the stream by itself.
    follower = {
      policies     = ["reader", "stream_reader"]
      pod_identity = true
    }
    reader = {
      policies     = ["reader"]
      pod_identity = true
    }
    janitor = {
      policies     = ["janitor"]
      pod_identity = true
    }
    auditor = {
      policies       = ["auditor"]
      principal_arns = var.people_arns
    }
    dr-operator = {
      policies       = ["dr_operator", "doctor"]
      principal_arns = var.people_arns
    }
  }
}

module "endpoints" {
  source = "../../modules/endpoints"

  vpc_id             = var.vpc_id
  route_table_ids    = var.route_table_ids
  subnet_ids         = var.subnet_ids
  client_cidr_blocks = var.client_cidr_blocks
  region             = var.region
  bucket_name        = module.bucket.bucket_name
  datasets           = [module.table.dataset]
  table_arns         = [module.table.table_arn]
}

module "alarms" {
  source = "../../modules/alarms"

  datasets = [module.table.dataset]
  actions  = var.alarm_topic_arns
}
