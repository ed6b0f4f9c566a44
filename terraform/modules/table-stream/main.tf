# Looks at a table before anything is made for it: a stream that is off, or without new images, is
# said in the plan, with what to do.

data "aws_dynamodb_table" "this" {
  name = var.table_name

  lifecycle {
    postcondition {
      condition     = self.stream_enabled
      error_message = "The stream of table ${var.table_name} is off. Ask its owner for: aws dynamodb update-table --table-name ${var.table_name} --stream-specification StreamEnabled=true,StreamViewType=NEW_IMAGE. Or follow the table without a stream: acceleration.refresh_mode: full."
    }

    postcondition {
      condition     = !self.stream_enabled || contains(["NEW_IMAGE", "NEW_AND_OLD_IMAGES"], self.stream_view_type)
      error_message = "The stream of table ${var.table_name} has view type ${self.stream_view_type}, from which no row can be rebuilt. Its owner has to disable it and enable it anew with NEW_IMAGE or NEW_AND_OLD_IMAGES."
    }
  }
}

locals {
  dataset = coalesce(var.dataset, var.table_name)
  path    = coalesce(var.path, "/var/lib/snowmelt/${local.dataset}.${var.engine}")
}
