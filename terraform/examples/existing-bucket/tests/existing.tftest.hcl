# Runs without a provider and without a network.

variables {
  bucket_name = "theirs"
  datasets    = ["pipelines"]
  table_arns  = ["arn:aws:dynamodb:eu-west-1:123456789012:table/pipelines"]
  account_id  = "123456789012"
  region      = "eu-west-1"
}

run "policies_are_rendered_for_a_bucket_of_others" {
  command = apply

  assert {
    condition     = strcontains(output.role_policies.reader, "arn:aws:s3:::theirs/snowmelt/pipelines/*")
    error_message = "The reader does not reach the location."
  }

  assert {
    condition     = yamldecode(output.snowmelt_yaml).snapshots.location == "s3://theirs/snowmelt"
    error_message = "The YAML names another location than the policies."
  }
}
