# Of what is planned; no account is asked.

mock_provider "aws" {}

variables {
  datasets = ["pipelines"]
  actions  = ["arn:aws:sns:eu-west-1:123456789012:alarms"]
}

run "no_data_is_an_alarm" {
  command = plan

  assert {
    condition = alltrue([
      for alarm in concat(values(aws_cloudwatch_metric_alarm.ages), values(aws_cloudwatch_metric_alarm.snapshot_age)) : alarm.treat_missing_data == "breaching" && alarm.alarm_actions == toset(var.actions)
    ])
    error_message = "A node that says nothing would be taken for a healthy one, or nobody is told."
  }
}

run "the_checkpoint_alarms_at_18_and_22_hours" {
  command = plan

  assert {
    condition = [
      for name in ["pipelines-checkpoint-18h", "pipelines-checkpoint-22h"] : aws_cloudwatch_metric_alarm.ages[name].threshold
    ] == [64800000, 79200000]
    error_message = "The thresholds are in milliseconds, as the metric is."
  }
}

run "an_alarm_that_comes_too_late_is_refused" {
  command         = plan
  expect_failures = [var.snapshot_age_hours]

  variables {
    snapshot_age_hours = 20
  }
}

run "an_alarm_that_nobody_hears_is_refused" {
  command         = plan
  expect_failures = [var.actions]

  variables {
    actions = []
  }
}
