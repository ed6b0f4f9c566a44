output "table_arn" {
  description = "ARN of the table, for `table_arns` of the other modules."
  value       = data.aws_dynamodb_table.this.arn
}

output "stream_arn" {
  description = "ARN of the stream as it is now; it changes when the stream is enabled anew."
  value       = data.aws_dynamodb_table.this.stream_arn
}

output "dataset" {
  description = "Name of the dataset."
  value       = local.dataset
}

output "snowmelt_yaml" {
  description = "The section `datasets` of snowmelt.yaml for a node that publishes, ready to paste."
  value       = <<-YAML
    datasets:
      - from: dynamodb:${var.table_name}
        name: ${local.dataset}
        params:
          dynamodb_aws_region: ${var.region}
        acceleration:
          engine: ${var.engine}
          path: ${local.path}
          snapshots: enabled
          snapshots_trigger_threshold: 2m
  YAML
}
