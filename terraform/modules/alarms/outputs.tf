output "alarm_arns" {
  description = "ARN of each alarm, by its name."
  value = merge(
    { for alarm in aws_cloudwatch_metric_alarm.ages : alarm.alarm_name => alarm.arn },
    { for alarm in aws_cloudwatch_metric_alarm.snapshot_age : alarm.alarm_name => alarm.arn },
  )
}
