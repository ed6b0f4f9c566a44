variable "datasets" {
  description = "Names of the datasets that are watched."
  type        = list(string)

  validation {
    condition     = length(var.datasets) > 0
    error_message = "datasets must name at least one dataset."
  }
}

variable "namespace" {
  description = "CloudWatch namespace that the agent of each central node puts its page of /metrics into, with the dimension `dataset`. Pages of edges belong elsewhere: there lag and age are those of the newest snapshot."
  type        = string
  default     = "Snowmelt"
}

variable "actions" {
  description = "ARNs of what is told, such as SNS topics, when an alarm begins and when it ends."
  type        = list(string)

  validation {
    condition     = length(var.actions) > 0
    error_message = "actions must name at least one topic: an alarm that nobody hears is none."
  }
}

variable "snapshot_age_hours" {
  description = "Age of the newest good snapshot that is alarming."
  type        = number
  default     = 2

  validation {
    condition     = var.snapshot_age_hours > 0 && var.snapshot_age_hours < 18
    error_message = "snapshot_age_hours must be less than 18: from then on new nodes would have to load the table."
  }
}

variable "lag_seconds" {
  description = "Lag that is alarming when it lasts."
  type        = number
  default     = 60

  validation {
    condition     = var.lag_seconds > 0
    error_message = "lag_seconds must be more than 0."
  }
}

variable "tags" {
  description = "Tags of all that is made."
  type        = map(string)
  default     = {}
}
