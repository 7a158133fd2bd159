"""Asks Spark, in its local mode, for the report of a data set, and prints it as JSON."""

import sys

import msgspec
from pyspark.sql import SparkSession

from soltrace.report.spark import ask_spark

SETTINGS = {
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.sql.sources.partitionColumnTypeInference.enabled": "false",
    # Less to start and to compile: what is asked of is small.
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.shuffle.partitions": "1",
    "spark.ui.enabled": "false",
}

builder = SparkSession.builder.master("local[1]")
for name, value in SETTINGS.items():
    builder = builder.config(name, value)
session = builder.getOrCreate()
print(msgspec.json.encode(ask_spark(session, sys.argv[1])).decode())
session.stop()
