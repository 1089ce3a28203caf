"""The net that is a module of torch; only the files of this folder import torch."""
