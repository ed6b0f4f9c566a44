# Of the rendered policies; runs without a provider and without a network.

variables {
  bucket_name = "snapshots"
  prefix      = "prod/eu"
  datasets    = ["pipelines", "routes"]
  table_arns  = ["arn:aws:dynamodb:eu-west-1:123456789012:table/pipelines"]
  account_id  = "123456789012"
  region      = "eu-west-1"
  kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/0f1e2d3c"
}

run "no_role_but_janitor_and_doctor_deletes" {
  command = plan

  assert {
    condition = toset([
      for role, policy in output.role_policies : role if strcontains(policy, "s3:Delete")
    ]) == toset(["doctor", "janitor"])
    error_message = "Only the janitor and doctor may hold an action that deletes."
  }

  assert {
    condition     = !strcontains(join("", values(output.role_policies)), ":*\"")
    error_message = "No role may hold an action with a wildcard."
  }

  assert {
    condition = alltrue([
      for policy in values(output.role_policies) : alltrue([
        for statement in jsondecode(policy).Statement : alltrue([for resource in statement.Resource : resource != "*"])
      ])
    ])
    error_message = "No role may reach every resource."
  }
}

run "no_role_but_the_selftest_changes_a_table_and_none_a_stream_or_a_bucket" {
  command = plan

  assert {
    condition = alltrue(flatten([
      for role, policy in output.role_policies : role == "selftest" ? [] : [
        for statement in jsondecode(policy).Statement : [
          for action in statement.Action : can(regex("^(dynamodb|kinesis):(Describe|Get|List|Scan)|^s3:(DeleteObject|PutObject)$|^s3:(Get|List)|^kms:(Decrypt|GenerateDataKey)$", action))
        ]
      ]
    ]))
    error_message = "Roles may only read tables and streams, and write and delete objects; nothing else."
  }
}

run "the_writer_writes_to_its_datasets_alone" {
  command = plan

  assert {
    condition = alltrue(flatten([
      for statement in jsondecode(output.role_policies.writer).Statement : [
        for resource in statement.Resource : can(regex("^arn:aws:s3:::snapshots/prod/eu/(pipelines|routes)/[a-z]+(/\\*|\\.json)$", resource))
      ] if contains(statement.Action, "s3:PutObject")
    ]))
    error_message = "The writer reaches something besides its datasets."
  }

  assert {
    condition = [
      for statement in jsondecode(output.role_policies.writer).Statement : statement.Condition.StringLike["s3:prefix"] if contains(statement.Action, "s3:ListBucket")
    ][0] == ["prod/eu/pipelines/*", "prod/eu/routes/*"]
    error_message = "The writer lists something besides its datasets."
  }
}

run "the_key_is_used_by_way_of_s3_alone" {
  command = plan

  assert {
    condition = alltrue(flatten([
      for policy in values(output.role_policies) : [
        for statement in jsondecode(policy).Statement : statement.Condition.StringEquals["kms:ViaService"] == "s3.eu-west-1.amazonaws.com" if can(regex("kms:", statement.Action[0]))
      ]
    ]))
    error_message = "A role may use the key by another way than S3."
  }
}

run "without_a_key_no_policy_speaks_of_one" {
  command = plan

  variables {
    kms_key_arn = null
  }

  assert {
    condition     = !strcontains(join("", values(output.role_policies)), "kms:")
    error_message = "A role speaks of a key that there is not."
  }

  assert {
    condition     = !strcontains(output.bucket_policy, "DenyOtherEncryption")
    error_message = "The bucket refuses encryption that nobody asked for."
  }
}

run "the_bucket_refuses_old_tls_overwriting_and_other_encryption" {
  command = plan

  assert {
    condition = [
      for statement in jsondecode(output.bucket_policy).Statement : statement.Sid if statement.Effect == "Deny"
    ] == ["DenyWithoutTls", "DenyOldTls", "DenyOtherEncryption", "DenyOtherKey", "DenyKeyOfTheClient", "DenyOverwriting"]
    error_message = "A refusal of the bucket is missing."
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(output.bucket_policy).Statement : alltrue([
        for resource in statement.Resource : !can(regex("(head|lease|bucket)\\.json", resource))
      ]) if statement.Sid == "DenyOverwriting"
    ])
    error_message = "Pointer and lease are replaced, so they must stay replaceable."
  }
}

run "without_other_accounts_the_bucket_grants_nothing" {
  command = plan

  assert {
    condition     = alltrue([for statement in jsondecode(output.bucket_policy).Statement : statement.Effect == "Deny"])
    error_message = "The bucket grants something."
  }
}

run "readers_of_other_accounts_are_named_in_bucket_and_key" {
  command = plan

  variables {
    reader_principal_arns = ["arn:aws:iam::210987654321:role/edge"]
  }

  assert {
    condition = toset(flatten([
      for statement in concat(jsondecode(output.bucket_policy).Statement, jsondecode(output.key_policy).Statement) : statement.Action if try(statement.Principal.AWS[0], "") == "arn:aws:iam::210987654321:role/edge"
    ])) == toset(["kms:Decrypt", "s3:GetObject", "s3:ListBucket"])
    error_message = "A reader of another account needs the objects, the listing and the key, and nothing else."
  }
}

run "a_role_without_tables_reads_none" {
  command = plan

  variables {
    table_arns = []
  }

  assert {
    condition     = length(jsondecode(output.role_policies.stream_reader).Statement) == 0
    error_message = "A statement about no table at all was rendered."
  }
}

run "a_service_account_is_named_whole" {
  command = plan

  variables {
    trust = {
      writer = {
        irsa_provider_arn     = "arn:aws:iam::123456789012:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/ABC"
        irsa_service_accounts = ["data:snowmelt-central"]
      }
      reader = { pod_identity = true, pod_identity_cluster_arns = ["arn:aws:eks:eu-west-1:123456789012:cluster/edge"] }
    }
  }

  assert {
    condition = jsondecode(output.trust_policies.writer).Statement[0].Condition.StringEquals == {
      "oidc.eks.eu-west-1.amazonaws.com/id/ABC:aud" = "sts.amazonaws.com"
      "oidc.eks.eu-west-1.amazonaws.com/id/ABC:sub" = ["system:serviceaccount:data:snowmelt-central"]
    }
    error_message = "IRSA has to name audience and service account."
  }

  assert {
    condition     = jsondecode(output.trust_policies.reader).Statement[0].Condition.ArnEquals["aws:SourceArn"] == ["arn:aws:eks:eu-west-1:123456789012:cluster/edge"]
    error_message = "Pod Identity has to name the cluster that was asked for."
  }
}

run "a_trust_in_nobody_is_refused" {
  command         = plan
  expect_failures = [var.trust]

  variables {
    trust = { reader = {} }
  }
}

run "a_wild_service_account_is_refused" {
  command         = plan
  expect_failures = [var.trust]

  variables {
    trust = { reader = { irsa_provider_arn = "arn:aws:iam::123456789012:oidc-provider/x", irsa_service_accounts = ["data:*"] } }
  }
}

run "a_wild_prefix_is_refused" {
  command         = plan
  expect_failures = [var.prefix]

  variables {
    prefix = "prod/*"
  }
}

run "a_wild_dataset_is_refused" {
  command         = plan
  expect_failures = [var.datasets]

  variables {
    datasets = ["*"]
  }
}

run "a_wild_table_is_refused" {
  command         = plan
  expect_failures = [var.table_arns]

  variables {
    table_arns = ["arn:aws:dynamodb:eu-west-1:123456789012:table/*"]
  }
}

run "everybody_as_a_reader_is_refused" {
  command         = plan
  expect_failures = [var.reader_principal_arns]

  variables {
    reader_principal_arns = ["*"]
  }
}

run "the_boundary_holds_each_role" {
  command = plan

  assert {
    condition = alltrue(flatten([
      for policy in values(output.role_policies) : [
        for statement in jsondecode(policy).Statement : contains(jsondecode(output.boundary_policy).Statement, { for key, value in statement : key => value if key != "Sid" })
      ]
    ]))
    error_message = "The boundary forbids what a role needs."
  }
}

run "a_replica_is_written_with_its_own_key" {
  command = plan

  variables {
    replica = {
      bucket_arn  = "arn:aws:s3:::replica"
      kms_key_arn = "arn:aws:kms:us-east-2:123456789012:key/9a8b"
      region      = "us-east-2"
    }
  }

  assert {
    condition = [
      for statement in jsondecode(output.replication_policy).Statement : [statement.Resource[0], statement.Condition.StringEquals["kms:ViaService"]] if statement.Sid == "EncryptReplica"
    ][0] == ["arn:aws:kms:us-east-2:123456789012:key/9a8b", "s3.us-east-2.amazonaws.com"]
    error_message = "The replica is not written with its own key."
  }

  assert {
    condition     = !strcontains(output.replication_policy, "Delete")
    error_message = "Deletions must not be carried to the replica."
  }
}
