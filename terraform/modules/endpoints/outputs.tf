output "s3_endpoint_id" {
  description = "Id of the gateway to S3, for policies that name it."
  value       = aws_vpc_endpoint.s3.id
}

output "streams_endpoint_url" {
  description = "Address of the interface endpoint of DynamoDB Streams; null without one."
  value       = local.streams ? "https://${aws_vpc_endpoint.streams[0].dns_entry[0].dns_name}" : null
}

output "snowmelt_yaml" {
  description = "The member of a dataset's `params` that names the endpoint, ready to paste; a comment without one."
  value       = local.streams ? "dynamodb_streams_endpoint_url: https://${aws_vpc_endpoint.streams[0].dns_entry[0].dns_name}" : "# no endpoint of DynamoDB Streams: nodes that follow a stream need another way to it"
}
