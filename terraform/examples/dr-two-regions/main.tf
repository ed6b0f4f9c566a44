# Snapshots in two regions. Objects are carried from the first to the second within 15 minutes; the
# order in which they come does not matter to who restores there. In a disaster the nodes of the
# second region restore from the copy, and a writer there publishes into it.

provider "aws" {
  region = var.region
}

provider "aws" {
  alias  = "second"
  region = var.second_region
}

module "copy" {
  source = "../../modules/snapshot-bucket"

  providers = { aws = aws.second }

  bucket_name           = "${var.bucket_name}-copy"
  prefix                = "snapshots"
  datasets              = var.datasets
  region                = var.second_region
  deleted_versions_days = 30
}

module "bucket" {
  source = "../../modules/snapshot-bucket"

  bucket_name           = var.bucket_name
  prefix                = "snapshots"
  datasets              = var.datasets
  region                = var.region
  deleted_versions_days = 30

  replica = {
    bucket_arn  = module.copy.bucket_arn
    kms_key_arn = module.copy.kms_key_arn
    region      = var.second_region
  }
}

module "roles" {
  source = "../../modules/iam-roles"

  bucket_name = module.bucket.bucket_name
  prefix      = "snapshots"
  datasets    = var.datasets
  table_arns  = var.table_arns
  kms_key_arn = module.bucket.kms_key_arn
  region      = var.region

  roles = {
    writer = { policies = ["writer", "stream_reader"], pod_identity = true }
    reader = { policies = ["reader"], pod_identity = true }
  }
}

# Ready before they are needed: in a disaster nobody should have to write a policy.
module "second_roles" {
  source = "../../modules/iam-roles"

  name_prefix = "snowmelt-${var.second_region}"
  bucket_name = module.copy.bucket_name
  prefix      = "snapshots"
  datasets    = var.datasets
  table_arns  = var.second_table_arns
  kms_key_arn = module.copy.kms_key_arn
  region      = var.second_region

  roles = {
    writer      = { policies = ["writer", "stream_reader"], pod_identity = true }
    reader      = { policies = ["reader"], pod_identity = true }
    dr-operator = { policies = ["dr_operator"], principal_arns = var.people_arns }
  }
}
