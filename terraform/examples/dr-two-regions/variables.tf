variable "region" {
  description = "The first region: of tables, writer and bucket."
  type        = string
  default     = "eu-west-1"
}

variable "second_region" {
  description = "The second region: of the copy."
  type        = string
  default     = "eu-central-1"

  validation {
    condition     = var.second_region != var.region
    error_message = "second_region must be another one than region."
  }
}

variable "bucket_name" {
  description = "Name of the bucket in the first region; that in the second one is called NAME-copy."
  type        = string
}

variable "datasets" {
  description = "Names of the datasets."
  type        = list(string)
}

variable "table_arns" {
  description = "ARNs of the tables in the first region."
  type        = list(string)
}

variable "second_table_arns" {
  description = "ARNs of the tables in the second region: replicas of global tables, or restored ones."
  type        = list(string)
}

variable "people_arns" {
  description = "Principals of the people who go back in a disaster."
  type        = list(string)
}
