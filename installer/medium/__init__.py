"""The admin ISO as a file: what stands in it (`inspect`), and a site file put into it without building anew (`customize`)."""
