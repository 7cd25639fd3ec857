"""Scores of meshes against scans, as the field's benchmarks define them: NoW, REALY, M3DFB."""
