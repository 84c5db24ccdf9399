"""From links, a mirror and folders of pictures to the files of data/x<scale>/.

Imports data, pictures and the plumbing; only the stages `sources` and `download` import it.
"""
