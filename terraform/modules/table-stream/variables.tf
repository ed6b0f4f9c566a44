variable "table_name" {
  description = "Name of the table that is to be followed. It belongs to somebody else: nothing of it is changed here."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_.-]{3,255}$", var.table_name))
    error_message = "table_name must be the name of a table, not its ARN."
  }
}

variable "dataset" {
  description = "Name of the dataset; null takes the table's."
  type        = string
  default     = null
}

variable "region" {
  description = "Region of the provider, and so of the table."
  type        = string
}

variable "path" {
  description = "Where the dataset's file lies on a node."
  type        = string
  default     = null
}

variable "engine" {
  description = "Engine of the dataset's file: duckdb or sqlite."
  type        = string
  default     = "duckdb"

  validation {
    condition     = contains(["duckdb", "sqlite"], var.engine)
    error_message = "engine must be duckdb or sqlite."
  }
}
