# A bucket that somebody else made and keeps: only the policies are rendered, for whoever attaches
# them. No provider, no account, no network.

module "policies" {
  source = "../../modules/policies"

  bucket_name           = var.bucket_name
  prefix                = var.prefix
  datasets              = var.datasets
  table_arns            = var.table_arns
  kms_key_arn           = var.kms_key_arn
  account_id            = var.account_id
  region                = var.region
  reader_principal_arns = var.reader_principal_arns
}
