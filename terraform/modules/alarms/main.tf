# What has to wake somebody, for each dataset. No data is an alarm: a node that says nothing is the
# worst case of each. The stream forgets after 24 h, so 18 h and 22 h of an unread checkpoint leave
# six hours and two. They are of nodes that read the stream: an edge is as old as its snapshot.

locals {
  ages = merge([
    for dataset in var.datasets : {
      "${dataset}-checkpoint-18h" = {
        dataset = dataset, metric = "dynamodb_stream_checkpoint_age_ms", threshold = 18 * 3600 * 1000, periods = 5
        text    = "The checkpoint of ${dataset} is 18 h old: in six hours the stream has forgotten what follows it."
      }
      "${dataset}-checkpoint-22h" = {
        dataset = dataset, metric = "dynamodb_stream_checkpoint_age_ms", threshold = 22 * 3600 * 1000, periods = 1
        text    = "The checkpoint of ${dataset} is 22 h old: in two hours the table has to be loaded anew."
      }
      "${dataset}-lag" = {
        dataset = dataset, metric = "dynamodb_stream_lag_ms", threshold = var.lag_seconds * 1000, periods = 5
        text    = "Changes of ${dataset} that are ${var.lag_seconds} s old are missing in its copies."
      }
    }
  ]...)
}

resource "aws_cloudwatch_metric_alarm" "ages" {
  for_each = local.ages

  alarm_name          = "snowmelt-${each.key}"
  alarm_description   = "${each.value.text} See docs/operating.md."
  namespace           = var.namespace
  metric_name         = each.value.metric
  dimensions          = { dataset = each.value.dataset }
  statistic           = "Maximum" # of all nodes whose page comes to the namespace
  period              = 60
  evaluation_periods  = each.value.periods
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.threshold
  treat_missing_data  = "breaching"
  alarm_actions       = var.actions
  ok_actions          = var.actions
  tags                = var.tags
}

# The metric is a moment; its age is what the clock says less that.
resource "aws_cloudwatch_metric_alarm" "snapshot_age" {
  for_each = toset(var.datasets)

  alarm_name          = "snowmelt-${each.value}-snapshot-age"
  alarm_description   = "The newest good snapshot of ${each.value} is older than ${var.snapshot_age_hours} h. See docs/operating.md."
  evaluation_periods  = 5
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.snapshot_age_hours * 3600
  treat_missing_data  = "breaching"
  alarm_actions       = var.actions
  ok_actions          = var.actions
  tags                = var.tags

  metric_query {
    id          = "age"
    label       = "Age of the newest good snapshot, seconds"
    expression  = "EPOCH(made) - made"
    return_data = true
  }

  metric_query {
    id = "made"

    metric {
      namespace   = var.namespace
      metric_name = "dataset_acceleration_snapshot_newest_timestamp"
      dimensions  = { dataset = each.value }
      stat        = "Maximum"
      period      = 60
    }
  }
}
