WHERE = "packaged from elsewhere"
